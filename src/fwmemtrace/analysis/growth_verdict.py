"""Decides whether a series over the calls of a phase grows, and how fast.

The rules:

- Warm-up: the first tenth of the calls, at least 2 and at most 100, is left out. What fills in these calls is not a
  leak.
- Too few calls: fewer than 20 are left.
- Growing: the interval of the slope over all remaining calls lies above zero, the rise over them is at least
  `LEAST_RISE`, and it continues: the second half has at least 0.3 of the slope, the interval of the last third does
  not lie below that of the whole by more than a tenth, and the median of each quarter lies above that of the quarter
  before.
- Saturating: the series rose like that, by more than twice the standard deviation around the slope, and does not
  continue to. Or it rose over its first half, third, quarter or sixth, by more than twice the standard deviation
  of the rest, and the rest does not rise. A rise that began in the warm-up counts from its beginning, if the part
  after the warm-up is large enough by itself.
- Flat: anything else, falling included.

The slope that remains is that of the last third.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from statistics import median
from typing import Literal, NamedTuple, TypeAlias

from .theil_sen import SlopeEstimate, estimate_slope, scaled_mad

Verdict: TypeAlias = Literal["flat", "growing", "saturating", "too few calls"]

ENOUGH_CALLS = 20
_WARM_UP_SHARE, _LEAST_WARM_UP, _MOST_WARM_UP = 0.1, 2, 100
_CONTINUES = 0.3
_SAME_SLOPE = 0.9  # of two intervals without noise, which differ by a rounding
_FIRST_CALLS = 2  # they load and compile what all others use
_NOISE_DEVIATIONS = 2.0
# The smallest rise over all calls that is reported, by metric. The kernel and the allocators move in steps of many
# pages; tracemalloc and a census are exact, except for a few objects of the tracer's own.
LEAST_RISE = {"rss": 256 * 1024, "native": 64 * 1024, "python_heap": 4096, "objects": 20, "tensors": 4096}


class GrowthVerdict(NamedTuple):
    """The slope of a series, the slope of its last third, and the verdict on it."""

    estimate: SlopeEstimate
    verdict: Verdict
    remaining: SlopeEstimate | None = None  # None for too few calls


def warm_up_of(calls: int) -> int:
    """Return how many calls at the start are left out."""
    return min(max(round(calls * _WARM_UP_SHARE), _LEAST_WARM_UP), _MOST_WARM_UP)


def judge(
    values: Sequence[float], step: float = 1.0, least_rise: float = 0.0, warm_up: Sequence[float] = ()
) -> GrowthVerdict:
    """Apply the rules to a series.

    Args:
        values: at even steps, without warm-up.
        step: calls from one value to the next.
        least_rise: the smallest rise over the whole series that counts, in the unit of the values.
        warm_up: the values before.
    """
    if len(values) < 3 or len(values) * step < ENOUGH_CALLS:
        slope = estimate_slope(values, step).slope if len(values) >= 3 else 0.0
        return GrowthVerdict(SlopeEstimate(slope, float("-inf"), float("inf")), "too few calls")
    whole = estimate_slope(values, step)
    third = values[min(len(values) * 2 // 3, len(values) - 3) :]
    remaining = estimate_slope(third, step)
    return GrowthVerdict(whole, _verdict(values, whole, remaining, step, least_rise, warm_up), remaining)


def _verdict(
    values: Sequence[float],
    whole: SlopeEstimate,
    remaining: SlopeEstimate,
    step: float,
    least_rise: float,
    warm_up: Sequence[float],
) -> Verdict:
    rise = whole.slope * step * len(values)
    if whole.low > 0 and rise >= least_rise:
        if _continues(values, whole, remaining, step):
            return "growing"
        residuals = [value - whole.slope * step * at for at, value in enumerate(values)]
        if rise >= _NOISE_DEVIATIONS * scaled_mad(residuals):
            return "saturating"
    if any(_rose_and_stopped(values, len(values) * part // 12, step, least_rise) for part in (6, 4, 3, 2)):
        return "saturating"
    if _rose_through_warm_up(values, warm_up, step, least_rise):
        return "saturating"
    return "flat"


def _rose_through_warm_up(values: Sequence[float], warm_up: Sequence[float], step: float, least_rise: float) -> bool:
    """Return whether the series rose in the warm-up and went on for a while, as a cache that fills in a few calls."""
    early = warm_up[ceil(_FIRST_CALLS / step) :]
    turn = len(values) // 12
    if len(early) < 2 or turn < 2:
        return False
    rest = values[turn:]
    after_warm_up = median(rest) - median(values[: max(turn // 4, 1)])
    if after_warm_up < max(least_rise, _NOISE_DEVIATIONS * scaled_mad(rest)):
        return False
    return _rose_and_stopped([*early, *values], len(early) + turn, step, least_rise)


def _rose_and_stopped(values: Sequence[float], turn: int, step: float, least_rise: float) -> bool:
    """Return whether the series rose up to the turn, well above the noise after it, and does not rise any more."""
    if turn < 8:
        return False
    head, rest = values[:turn], values[turn:]
    rise = median(rest) - median(head[: turn // 4])
    if rise < max(least_rise, _NOISE_DEVIATIONS * scaled_mad(rest)) or estimate_slope(head, step).low <= 0:
        return False
    return estimate_slope(rest, step).low <= 0


def _continues(values: Sequence[float], whole: SlopeEstimate, remaining: SlopeEstimate, step: float) -> bool:
    """Return whether a series that rises as a whole still rises at its end."""
    if estimate_slope(values[len(values) // 2 :], step).slope < _CONTINUES * whole.slope:
        return False
    return remaining.high >= _SAME_SLOPE * whole.low and _quarters_rise(values)


def _quarters_rise(values: Sequence[float]) -> bool:
    """Return whether each quarter lies above the one before, and the last step is not small next to the others."""
    quarter = len(values) / 4
    medians = [median(values[round(at * quarter) : round((at + 1) * quarter)]) for at in range(4)]
    steps = [later - earlier for earlier, later in pairwise(medians)]
    return min(steps) > 0 and steps[-1] >= _CONTINUES * sum(steps) / 3
