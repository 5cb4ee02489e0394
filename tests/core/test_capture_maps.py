"""Native frames of a capture are in the libraries that its maps had at that time."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .test_capture_parser import TRAILER, header, number, parse, signed

__all__ = ["parse"]  # a fixture
PLACES = st.integers(0, 40)
# A generation: libraries with their bases and segments; a segment starts where the one before it ends, or later.
LIBRARIES = st.lists(
    st.tuples(st.sampled_from("abc"), st.lists(st.tuples(PLACES, st.integers(1, 9)), max_size=3)), max_size=4
)
FRAMES = st.lists(st.tuples(st.integers(1, 160), st.integers(0, 8)), max_size=9)


def laid_out(libraries: list[Any]) -> list[tuple[str, int, list[tuple[int, int]]]]:
    """Return libraries whose segments do not overlap, as in a process."""
    found, end = [], 0
    for name, segments in libraries:
        base, placed = end, []
        for gap, size in segments:
            placed.append((end + gap - base, size))
            end += gap + size
        found.append((name, base, placed))
    return found


def written(generations: list[Any], frames: list[tuple[int, int]]) -> bytes:
    body = b""
    for libraries in generations:
        body += b"\6"
        for name, base, segments in libraries:
            body += b"\7" + name.encode() + b"\0" + number(len(segments)) + struct.pack("<Q", base)
            body += b"".join(b"\x08" + struct.pack("<Q", start) + number(size) for start, size in segments)
    latest = caller_before = 0
    for place, (instruction, caller) in enumerate(frames):
        caller = min(caller, place)
        body += b"\5" + signed(instruction - latest) + signed(caller - caller_before)
        latest, caller_before = instruction, caller
    return header() + body + TRAILER


def place_in(libraries: list[Any], instruction: int) -> tuple[str, int] | None:
    for name, base, segments in libraries:
        for start, size in segments:
            if base + start <= instruction < base + start + size:
                return name, instruction - 1 - base
    return None


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LIBRARIES, max_size=3), FRAMES, st.integers(0, 5))
def test_a_frame_is_in_the_library_that_was_there(parse, generations, frames, most):
    generations = [laid_out(libraries) for libraries in generations]
    parser = parse(written(generations, frames))
    names = parser.libraries
    assert len(names) == len(set(names))

    def named(place):
        return names[place[0]], place[1] - 2**64 if place[1] >= 2**63 else place[1]

    for generation in range(len(generations) + 2):
        libraries = generations[generation - 1] if 0 < generation <= len(generations) else []
        for native in range(len(frames) + 2):
            stack, at = [], native if native <= len(frames) else 0
            while at:
                stack.append(frames[at - 1][0])
                at = min(frames[at - 1][1], at - 1)
            found = [named(place) for place in parser.native_frames(native, generation, most)]
            assert found == [place for each in stack[:most] if (place := place_in(libraries, each)) is not None]
    everywhere = {place_in(libraries, each) for libraries in generations for each, _ in frames} - {None}
    assert set(map(named, parser.native_addresses())) == everywhere
    assert parser.header() == header()


def test_frames_that_began_a_call_of_the_loop_are_known(parse):
    body = b"\x0c" + bytes(8) + bytes([65]) + number(1) + signed(0) + bytes([64]) + number(2) + signed(0)
    parser = parse(header() + body + b"\xfe" + signed(1) + signed(0) + number(9) + TRAILER)
    ((*_, stack, _, _, _),) = parser.next(1)
    assert parser.entry_frames(stack) == b"\0\1"
    assert parser.entry_frames(0) == parser.entry_frames(99) == b""
    parser.close()
    assert parser.entry_frames(stack) == b""
    assert parser.native_frames(1, 1, 9) == []
    assert parser.native_addresses() == set()
