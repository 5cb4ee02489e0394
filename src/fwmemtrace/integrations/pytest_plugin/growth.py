"""Measures whether calling a test again and again makes memory grow."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ...analysis.growth_verdict import GrowthVerdict, judge
from ...system.allocators import AllocatorReader

_MOST_READINGS = 50  # each collects garbage first
_LEAST_RISE = {"RSS": 256 * 1024, "allocated memory": 2048}


class Growth(NamedTuple):
    """The growth of one figure over the calls."""

    figure: str
    verdict: GrowthVerdict

    def exceeds(self, limit_bytes: float) -> bool:
        """Return whether it grows, beyond noise, by more than a number of bytes per call."""
        return self.verdict.verdict == "growing" and self.verdict.estimate.low > limit_bytes


@contextmanager
def _quick_collections() -> Iterator[None]:
    """Leave what is there already out of collections, which take a tenth of a second in a process with torch."""
    if gc.get_freeze_count():  # by the program, of which nothing else would be known afterwards
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def measure_growth(call: Callable[[], object], calls: int, warmup: int, rss: Callable[[], int]) -> list[Growth]:
    """Call a function and read memory in between.

    RSS sees everything, in steps of pages and arenas. What malloc and Python's allocator have given out (mallinfo2,
    `_PyObject_DebugMallocStats`) is exact to the byte, but lacks what is mapped past them.

    Args:
        call: the function.
        calls: how often to call it; 30 at least.
        warmup: how often to call it before that.
        rss: reads RSS, in bytes.
    """
    allocators = AllocatorReader()
    step = max(1, calls // _MOST_READINGS)
    resident: list[float] = []
    in_use: list[float] = []

    def read() -> None:
        gc.collect()
        figures = allocators.read()
        resident.append(rss())
        given_out = (figures.malloc_in_use_bytes, figures.malloc_mapped_bytes, figures.python_in_use_bytes)
        if None not in given_out:
            in_use.append(sum(size or 0 for size in given_out))

    read()  # what it needs itself is there from now on
    resident.clear()
    in_use.clear()
    with _quick_collections():
        for _ in range(warmup):
            call()
        for number in range(calls):
            call()
            if (number + 1) % step == 0:
                read()
    found = [("RSS", resident)] + ([("allocated memory", in_use)] if in_use else [])
    return [Growth(name, judge(values, step, _LEAST_RISE[name])) for name, values in found]
