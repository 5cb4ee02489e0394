"""Growth over the calls of a phase."""

from __future__ import annotations

from typing import Literal

from .base import PhaseResult
from .objects import Holder, TypeGrowth
from .python_heap import HeapSite


class Growth(PhaseResult, kw_only=True):
    """How one metric changes from call to call of a phase."""

    calls: int  # number of calls
    slope_bytes_per_call: float  # growth per call, in `unit`
    low: float  # lower end of its 99% confidence interval
    high: float  # upper end of its 99% confidence interval
    verdict: Literal["flat", "growing", "saturating", "too few calls"]  # "saturating": it grew and stopped
    metric: str = "rss"  # "rss", "native", "python_heap", "objects" or "tensors"
    unit: Literal["bytes", "objects"] = "bytes"  # of the metric
    warm_up_calls: int = 0  # calls at the start that are left out
    warm_up_bytes: float = 0.0  # change over these calls, in `unit`
    rise_bytes: float = 0.0  # change over all calls, in `unit`: of the level or of what they added, whichever is less
    rise_calls: int = 0  # calls after which nine tenths of that rise had come; 0 if it did not rise
    remaining_slope_bytes_per_call: float | None = None  # slope of the last third, in `unit`; null for too few calls
    remaining_low: float | None = None  # lower end of its 99% confidence interval
    remaining_high: float | None = None  # upper end of its 99% confidence interval
    types: list[TypeGrowth] = []  # types that grew in the phase; from the probe `objects`
    sites: list[HeapSite] = []  # lines that grew in the phase; from the probe `python_heap`
    held_by: list[Holder] = []  # what keeps objects of these types alive
    pid: int = 0  # process id
