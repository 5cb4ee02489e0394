"""Results of the probe `heap`: the sampled live heap by phase and by stack.

`allocated_bytes` of a phase is exact. What else is here is estimated from samples, with the bounds of a 95% confidence
interval beside it.
"""

from __future__ import annotations

from .base import Result
from .native import Frame


class HeapStackSample(Result, kw_only=True):
    """One stack that allocated."""

    live_bytes: int  # not freed when the sampler stopped, or the process was killed
    live_low_bytes: int  # lower bound of `live_bytes`
    live_high_bytes: int  # upper bound of `live_bytes`
    allocated_bytes: int  # all allocations
    at_peak_bytes: int  # live when the live bytes of the phase were at their peak
    samples: int  # number of samples that are live
    from_calls: int  # number of calls of the phase that the live samples were allocated in
    grows: bool  # whether they are of early and of late calls, so that each call may leave something behind
    library: str | None  # the library that requested the memory; null if not known
    stack: list[Frame]  # Python frames, innermost first; inside them C and C++ frames, if they were recorded
    package: str | None = None  # installed package of the innermost frame that is in one
    caller: Frame | None = None  # innermost frame of the program's own code


class Heap(Result, kw_only=True):
    """Allocations of a phase without the phases inside it: malloc, anonymous mappings, Python's allocators."""

    live_bytes: int  # allocated by the phase and not freed at the end
    live_low_bytes: int  # lower bound of `live_bytes`
    live_high_bytes: int  # upper bound of `live_bytes`
    allocated_bytes: int  # all allocations; exact
    peak_bytes: int  # the most of its own allocations that was live at once
    samples: int  # number of samples, freed ones included
    calls: int  # number of calls of the phase that began while the probe was on
    top: list[HeapStackSample]  # the stacks with the most live bytes
    at_peak: list[HeapStackSample] = []  # the stacks with the most live bytes at the peak
    leak_candidates: list[HeapStackSample] = []  # the stacks that grow, those with the most live bytes
    by_package: dict[str, int] = {}  # live bytes by package of the Python code
    by_library: dict[str, int] = {}  # live bytes by library that called the allocator
