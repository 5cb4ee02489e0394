"""The trend of a noisy series: a slope that outliers do not move, with an interval that dependence does not fool.

Pure functions over numbers. Theil-Sen: the slope is the median of the slopes between all pairs of points. Its interval
(Sen 1968) comes from the variance of Kendall's S, corrected for ties, and multiplied by what autocorrelation takes off
the number of independent points (as in Yue and Wang 2004, with the lags up to the first insignificant one): memory
figures of neighbouring calls are alike, and an interval that takes each for a new fact finds growth in any walk.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import ceil, floor, sqrt
from statistics import median
from typing import NamedTuple

# Two-sided 99%: a report has a row a phase and metric, and one alarm in forty would be one in most reports.
_Z = 2.576
_OUTLIER_SPREADS = 4.0
_NORMAL_SPREAD = 1.4826  # standard deviation over median absolute deviation, for the normal distribution


class Trend(NamedTuple):
    """A slope in units per step, and the interval that holds the true one 99 times of 100."""

    slope: float
    low: float
    high: float


def trend(values: Sequence[float], step: float = 1.0) -> Trend:
    """The trend of values taken at even steps.

    Args:
        values: at least three.
        step: how many calls there are from one value to the next: the slope is a call's.

    Raises:
        ValueError: if there are fewer than three values.
    """
    count = len(values)
    if count < 3:
        raise ValueError(f"found {count} values, expected at least three")
    slopes = sorted(
        (values[later] - values[earlier]) / (later - earlier)
        for earlier in range(count - 1)
        for later in range(earlier + 1, count)
    )
    slope = median(slopes)
    residuals = [value - slope * position for position, value in enumerate(values)]
    reach = _Z * sqrt(kendall_variance(values) * dependence(residuals))
    # The ranks at both ends of the interval, outwards to whole ones.
    low = max(floor((len(slopes) - reach) / 2), 0)
    high = min(ceil((len(slopes) + reach) / 2), len(slopes) - 1)
    return Trend(slope / step, slopes[low] / step, slopes[high] / step)


def kendall_variance(values: Sequence[float]) -> float:
    """The variance of Kendall's S for independent values, ties taken into account."""
    count = len(values)
    tied = sum(_weight(sum(1 for _ in same)) for _, same in groupby(sorted(values)))
    return max((_weight(count) - tied) / 18, 0.0)


def _weight(count: int) -> float:
    return count * (count - 1) * (2 * count + 5)


def dependence(residuals: Sequence[float]) -> float:
    """By how much autocorrelation multiplies the variance of a trend: 1 for independent values, else more.

    Args:
        residuals: the series without its trend.
    """
    count = len(residuals)
    centre = median(residuals)
    spread = robust_spread(residuals)
    limit = _OUTLIER_SPREADS * spread
    # One outlier would hide any correlation, so what lies far out counts as lying at the limit.
    centred = [max(-limit, min(limit, value - centre)) if spread else value - centre for value in residuals]
    mean = sum(centred) / count
    centred = [value - mean for value in centred]
    power = sum(value * value for value in centred)
    if not power:
        return 1.0
    significant = 1.0 / sqrt(count)
    factor = 1.0
    for lag in range(1, count // 2):
        correlation = sum(a * b for a, b in zip(centred, centred[lag:], strict=False)) / power
        if correlation < significant:
            break
        # The estimate is too small by about the share of values that a lag's sum lacks.
        factor += 2 * (1 - lag / count) * min(correlation * count / (count - lag), 1.0)
    return factor


def robust_spread(values: Sequence[float]) -> float:
    """The standard deviation as the median absolute deviation tells it: half the values may be anything."""
    centre = median(values)
    return _NORMAL_SPREAD * median(abs(value - centre) for value in values)


class Series:
    """Values of call after call in bounded memory: means of as many calls as it takes to stay below a number of points.

    Attributes:
        calls: how many values there were.
        stride: calls a point.
    """

    __slots__ = ("_points", "_size", "_sum", "_summed", "calls", "stride")

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._points: list[float] = []
        self._sum = 0.0
        self._summed = 0
        self.calls = 0
        self.stride = 1

    def add(self, value: float) -> None:
        """The next call's value."""
        self.calls += 1
        self._sum += value
        self._summed += 1
        if self._summed < self.stride:
            return
        self._points.append(self._sum / self._summed)
        self._sum, self._summed = 0.0, 0
        if len(self._points) >= self._size:
            points = self._points
            self._points = [(points[at] + points[at + 1]) / 2 for at in range(0, len(points) - 1, 2)]
            self.stride *= 2

    def points(self, after: int = 0) -> list[float]:
        """The points, without those that hold any of the first `after` calls."""
        return self._points[ceil(after / self.stride) :]
