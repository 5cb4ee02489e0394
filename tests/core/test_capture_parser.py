"""The parser of memray captures against captures written here: it returns what they say, or refuses them."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fwmemtrace import core

FREES = (1, 5)
TRAILER = b"\1"
IN_A_FIXTURE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBERS = st.one_of(st.integers(0, 300), st.integers(0, 2**56))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("thread"), st.integers(0, 3)),
        st.tuples(st.just("push"), st.integers(0, 5), st.integers(-2, 2), st.booleans()),
        st.tuples(st.just("pop"), st.integers(1, 20)),
        st.tuples(st.just("record"), st.integers(1, 15), st.integers(0, 20), NUMBERS, st.integers(-3, 300)),
        st.tuples(st.just("maps"), st.integers(0, 3)),
        st.tuples(st.just("code"), st.binary(max_size=300)),
    ),
    max_size=60,
)


@pytest.fixture
def parse(tmp_path) -> Any:
    """Parses the bytes of a capture."""
    module, reason = core.load()
    if module is None:
        pytest.skip(f"the compiled core cannot be used: {reason}")
    path = tmp_path / "capture.bin"

    def parse(capture: bytes) -> Any:
        path.write_bytes(capture)
        return module.CaptureParser(path)

    return parse


def number(value: int) -> bytes:
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])


def signed(value: int) -> bytes:
    value = (value + 2**63) % 2**64 - 2**63
    return number((value << 1 ^ value >> 63) % 2**64)


def header(version: int = 13, native: bool = True, aggregated: bool = False) -> bytes:
    found = b"memray\0" + struct.pack("<ii??4q", version, 0x30B07F0, native, aggregated, 0, 0, 0, 0) + b"a command\0"
    found += struct.pack("<iQQBBB", 1, 2, 0, 1, 1, 0)
    return found + (b"/lib\0/a\0/b\0\0\0" if version == 13 else b"")


def written(steps: list[Any], native: bool) -> tuple[bytes, list[tuple[int, ...]]]:
    """Return the body of a capture that takes these steps, and its records, with stacks as tuples of frames."""
    body, records = b"", []
    stacks: dict[int, list[Any]] = {}
    numbers: dict[tuple[Any, ...], int] = {(): 0}
    thread = pointer = last_native = generation = 0
    recent = [0] * 15
    for kind, *values in [("thread", 0), *steps]:
        if kind == "thread":
            (thread,) = values
            stacks.setdefault(thread, [])
            body += b"\x0c" + struct.pack("<Q", thread)
        elif kind == "push":
            code, offset, entry = values
            stacks[thread].append((code, offset, entry))
            numbers.setdefault(tuple(stacks[thread]), len(numbers))
            body += bytes([64 | entry]) + number(code) + signed(offset)
        elif kind == "pop":
            for _ in range(min(values[0], len(stacks[thread]))):
                stacks[thread].pop()
                body += bytes([16])
        elif kind == "maps":
            generation += 1
            body += b"\6\7libc\0" + number(values[0]) + bytes(8) + (b"\x08" + bytes(8) + number(99)) * values[0]
        elif kind == "code":
            body += b"\x0e\1f\0f.py\0" + signed(3) + number(len(values[0])) + values[0]
        else:
            allocator, address, size, frame = values
            address *= 8
            place = recent.index(address) if address in recent else 15
            body += bytes([128 | place << 3 | (allocator if allocator < 8 else 0)])
            if place == 15:
                body += signed(address // 8 - pointer)
                pointer = address // 8
                recent = [address, *recent[:-1]]
            body += bytes([allocator]) if allocator > 7 else b""
            if allocator in FREES:
                records.append((thread, address, 0, allocator, 0, 1, 0, 0))
                continue
            body += (signed(frame) if native else b"") + number(size)
            last_native += frame if native else 0
            stack = numbers[tuple(stacks[thread])]
            where = (0, 1, 0, 0) if allocator == 15 else (stack, 1, last_native % 2**64, generation)
            records.append((thread, address, size, allocator, *where))
    return body, records


@IN_A_FIXTURE
@given(STEPS, st.booleans(), st.sampled_from([12, 13]))
def test_records_are_those_of_the_capture(parse, steps, native, version):
    body, records = written(steps, native)
    parser = parse(header(version, native) + body + TRAILER + bytes(20))
    assert parser.records == len(records)
    assert parser.next(3) + parser.next(1000) == records
    assert parser.next(1) == []


@IN_A_FIXTURE
@given(STEPS, st.booleans(), st.data())
def test_a_truncated_capture_has_the_records_before_its_end(parse, steps, native, data):
    body, records = written(steps, native)
    kept = data.draw(st.integers(0, len(body)))
    parser = parse(header(native=native) + body[:kept])
    read = parser.next(1000)
    assert read == records[: len(read)]
    assert len(read) == parser.records
    assert len(read) == len(records) or kept < len(body)


def test_a_truncated_header_is_refused(parse):
    for kept in range(len(header())):
        with pytest.raises(ValueError, match="complete"):
            parse(header()[:kept])


@settings(IN_A_FIXTURE, max_examples=200)
@given(STEPS, st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=5), st.binary(max_size=30))
@example([], [(7, 99)], b"")
def test_a_hostile_capture_is_read_or_refused(parse, steps, changes, more):
    capture = bytearray(header() + written(steps, native=True)[0] + more + TRAILER)
    for place, byte in changes:
        capture[place % len(capture)] = byte
    try:
        parser = parse(bytes(capture))
    except (ValueError, MemoryError):
        return
    assert len(parser.next(10**6)) == parser.records
    parser.outline(None)


def frame_of(*blocks: bytes) -> bytes:
    return b"\x04\x22\x4d\x18\x40\x40\xc0" + b"".join(blocks) + bytes(4)


def plain_block(contents: bytes) -> bytes:
    return struct.pack("<I", len(contents) | 1 << 31) + contents


def test_compressed_capture_with_a_match_that_overlaps_itself_and_the_block_before(parse):
    # A free at the address 0 is one byte; the match repeats the last one of the block before.
    start = header() + b"\x0c" + bytes(8) + bytes([128 | FREES[1]])
    match = b"\x0f\1\0" + bytes([255, 100]) + b"\x10" + TRAILER
    capture = frame_of(plain_block(start), struct.pack("<I", len(match)) + match)
    parser = parse(capture)
    assert parser.records == 1 + 4 + 15 + 255 + 100
    assert parser.next(1000) == [(0, 0, 0, 5, 0, 1, 0, 0)] * parser.records


@IN_A_FIXTURE
@given(st.lists(st.binary(max_size=60), max_size=4), st.integers(0, 255))
def test_hostile_compression_is_refused(parse, blocks, flags):
    blocks = [struct.pack("<I", len(block)) + block for block in blocks]
    for capture in (
        frame_of(*blocks),
        frame_of(plain_block(header()), *blocks),
        b"\x04\x22\x4d\x18" + bytes([flags] * 9),
    ):
        with pytest.raises(ValueError, match="complete"):
            parse(capture)


@pytest.mark.parametrize(
    "capture",
    [
        b"",
        b"no capture",
        header(aggregated=True) + TRAILER,
        header(version=11) + TRAILER,
        header() + b"\x40\1\0" + TRAILER,  # a frame without a thread
        header() + b"\x0c" + bytes(8) + b"\x10" + TRAILER,  # a pop of no frame
        header() + b"\x0c" + bytes(8) + b"\x80\x10" + TRAILER,  # an unknown allocator
        header() + b"\x07a\0\0" + bytes(8) + TRAILER,  # a library before the first map
        header(native=False) + written([("record", 6, 1, 2**61, 0)] * 3, native=False)[0] + TRAILER,  # more than fits
        frame_of(plain_block(header())),  # compressed, which only a complete one is
    ],
)
def test_odd_captures_are_refused(parse, capture):
    with pytest.raises(ValueError, match="complete"):
        parse(capture)


def test_a_folder_and_a_missing_file_are_refused(parse, tmp_path):
    parse(header() + TRAILER)
    module, _ = core.load()
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ValueError, match="complete"):
            module.CaptureParser(path)


def test_records_end_when_the_parser_is_closed(parse):
    body, records = written([("record", 6, number, 10, 0) for number in range(9)], native=False)
    parser = parse(header(native=False) + body + TRAILER)
    assert parser.next(2) == records[:2]
    parser.close()
    assert parser.next(2) == []
    assert parser.outline(None) == (TRAILER, {}) == parser.outline([])
