"""Charges rises that were seen after a call had returned to what was called.

A short request is over when the program is looked at: what runs then is the line that waits for the next one. While the
tracer does not know yet what such a line has called before, its rises are charged to the line itself. They are told
from what the line allocates by their sizes: each is one request like those that were seen while they ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from .. import results

_MOST = 0.2  # of what was called: a caller with more has allocated something itself
_IDLE_FILES = ("/selectors.py", "/threading.py", "/queue.py")  # of the standard library: what waits in there does not
_LEAST_LOOKS = 10  # at what was called: with fewer, sizes tell nothing
_ALIKE = 2.0  # at most this factor between the mean sizes of rises
_BEFORE_NS = 200_000_000  # that the first rises may have been seen before the first at what was called

# The path of a phase, a function with its file, and the stack that called it.
_Caller: TypeAlias = tuple[str, str, str, tuple[tuple[str, str, int], ...]]


def charge_late(rises: Sequence[results.Rise]) -> list[results.Rise]:
    """Return the rises, of which those that were seen late are part of those of what was called.

    Args:
        rises: of one process; changed.
    """
    called: dict[_Caller, list[results.Rise]] = {}
    own: dict[_Caller, list[results.Rise]] = {}
    for rise in rises:
        callers = _callers(rise)
        if callers and not rise.package:
            own.setdefault(callers[0], []).append(rise)
        for caller in callers[1:]:
            called.setdefault(caller, []).append(rise)
    gone: set[int] = set()
    for caller, late in own.items():
        makers = [rise for rise in called.get(caller, []) if rise.bytes > 0 and id(rise) not in gone]
        if makers and _were_seen_late(late, makers):
            for rise in late:
                _share_out(rise, makers)
                gone.add(id(rise))
    return [rise for rise in rises if id(rise) not in gone]


def _callers(rise: results.Rise) -> list[_Caller]:
    """Return the innermost function of the program's own and all that called it."""
    if rise.line is None:
        return []
    frames = [(frame.file, frame.function, frame.line) for frame in rise.stack]
    innermost = next(number for number, frame in enumerate(rise.stack) if frame is rise.line)
    return [
        (rise.path, *frames[number][:2], tuple(frames[number + 1 :]))
        for number in range(innermost, len(frames))
        if number == innermost or frames[number][:2] != frames[number - 1][:2]  # else it calls itself
    ]


def _were_seen_late(late: Sequence[results.Rise], makers: Sequence[results.Rise]) -> bool:
    size, looks = sum(rise.bytes for rise in late), sum(rise.looks for rise in late)
    made, made_looks = sum(rise.bytes for rise in makers), sum(rise.looks for rise in makers)
    began, ended = min(rise.first_ns for rise in makers), max(rise.last_ns for rise in makers)
    idle = all(rise.stack[0].file.endswith(_IDLE_FILES) for rise in late)
    return (
        size <= (1.0 if idle else _MOST) * made
        and made_looks >= _LEAST_LOOKS
        and size / looks <= _ALIKE * made / made_looks
        and all(began - _BEFORE_NS <= rise.first_ns <= ended for rise in late)
    )


def _share_out(rise: results.Rise, makers: Sequence[results.Rise]) -> None:
    """Add a rise to those of its makers, in proportion."""
    whole = sum(maker.bytes for maker in makers)
    largest = max(makers, key=lambda maker: maker.bytes)
    shares = {id(maker): maker.bytes / whole for maker in makers}
    for field in ("bytes", "at_peak_bytes", "kept_bytes"):
        left = getattr(rise, field)
        for maker in makers:
            part = 0 if maker is largest else int(getattr(rise, field) * shares[id(maker)])
            setattr(maker, field, getattr(maker, field) + part)
            left -= part
        setattr(largest, field, getattr(largest, field) + left)
    largest.looks += rise.looks
    largest.threads = max(largest.threads, rise.threads)
    largest.first_ns = min(largest.first_ns, rise.first_ns)
    largest.last_ns = max(largest.last_ns, rise.last_ns)
