"""Says in one line which stacks hold the most live bytes, as the samples of the heap estimate it."""

from __future__ import annotations

from os.path import dirname

from ..capture.intervals import bounds_of_sum
from ..units import format_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..core._compiled import LiveSite

    _Frame = tuple[str, str, int]

_OURS = dirname(dirname(__file__))
_STACKS = 5
_LEAST_SHARE = 0.01  # of all live bytes, for a stack to be named
_FRAMES = 3


def describe(mean: float, total: LiveSite, sites: Iterable[LiveSite]) -> str:
    """Return the live bytes and the stacks that hold the most of them, each with its 95% confidence interval.

    Args:
        mean: bytes between two samples.
        total: of all sites.
        sites: the largest ones; those of one stack, in several phases, are added up.
    """
    stacks: dict[tuple[_Frame, ...], list[float]] = {}
    for live, variance, _, frames in sites:
        known = stacks.setdefault(_shown(frames), [0.0, 0.0])
        known[0] += live
        known[1] += variance
    largest = sorted(stacks.items(), key=lambda item: -item[1][0])[:_STACKS]
    parts = [f"live heap, by its samples: {_size(total[0], total[1], mean)}"]
    parts += [
        f"{_size(live, variance, mean)} by {_place(stack)}"
        for stack, (live, variance) in largest
        if live >= _LEAST_SHARE * total[0]
    ]
    return "; ".join(parts)


def _size(live: float, variance: float, mean: float) -> str:
    low, high = bounds_of_sum(max(0.0, live), max(0.0, variance), mean)
    return f"{format_bytes(round(live))} ({format_bytes(round(low))} to {format_bytes(round(high))})"


def _shown(frames: Sequence[_Frame]) -> tuple[_Frame, ...]:
    """Return the innermost frames of the program's own, without those of the tracer's that are inside them."""
    for at, frame in enumerate(frames):
        if not frame[1].startswith(_OURS):
            return tuple(frames[at : at + _FRAMES])
    return tuple(frames[:_FRAMES])


def _place(stack: Iterable[_Frame]) -> str:
    places = [f"{function} ({file.rpartition('/')[2]}:{line})" for function, file, line in stack]
    return " < ".join(places) or "threads that run no Python code"
