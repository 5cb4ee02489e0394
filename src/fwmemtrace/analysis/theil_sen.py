"""The Theil-Sen slope of a noisy series, with a confidence interval that allows for autocorrelation.

The slope is the median of the slopes between all pairs of points, so outliers do not move it. Its interval (Sen 1968)
comes from the variance of Kendall's S, corrected for ties and inflated for autocorrelation (as in Yue and Wang 2004,
with the lags up to the first insignificant one). Without that correction any random walk would look like growth:
memory figures of neighbouring calls are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import ceil, floor, sqrt
from statistics import median
from typing import NamedTuple

# Two-sided 99%. A report has a row for each phase and metric: at 95%, most reports would have a false alarm.
_Z = 2.576
_OUTLIER_DEVIATIONS = 4.0
_MAD_SCALE = 1.4826  # standard deviation over median absolute deviation, for the normal distribution


class SlopeEstimate(NamedTuple):
    """A slope in units per step, and its 99% confidence interval."""

    slope: float
    low: float
    high: float

    def less(self, slope: float) -> SlopeEstimate:
        """Return the estimate for the series less a line of that slope."""
        return SlopeEstimate(self.slope - slope, self.low - slope, self.high - slope)


def estimate_slope(values: Sequence[float], step: float = 1.0) -> SlopeEstimate:
    """Return the Theil-Sen slope of values at even steps.

    Args:
        values: at least three.
        step: calls from one value to the next; the slope is per call.

    Raises:
        ValueError: if there are fewer than three values.
    """
    count = len(values)
    if count < 3:
        raise ValueError(f"{count} values: a slope needs at least three")
    slopes = sorted(
        (values[later] - values[earlier]) / (later - earlier)
        for earlier in range(count - 1)
        for later in range(earlier + 1, count)
    )
    slope = median(slopes)
    residuals = [value - slope * position for position, value in enumerate(values)]
    reach = _Z * sqrt(kendall_variance(values) * variance_inflation(residuals))
    # The ranks of both ends of the interval, rounded outwards.
    low = max(floor((len(slopes) - reach) / 2), 0)
    high = min(ceil((len(slopes) + reach) / 2), len(slopes) - 1)
    return SlopeEstimate(slope / step, slopes[low] / step, slopes[high] / step)


def kendall_variance(values: Sequence[float]) -> float:
    """Return the variance of Kendall's S for independent values, corrected for ties."""
    tied = sum(_pairs_weight(sum(1 for _ in same)) for _, same in groupby(sorted(values)))
    return max((_pairs_weight(len(values)) - tied) / 18, 0.0)


def _pairs_weight(count: int) -> float:
    return count * (count - 1) * (2 * count + 5)


def variance_inflation(residuals: Sequence[float]) -> float:
    """Return the factor by which autocorrelation increases the variance of a slope; 1 for independent values.

    Args:
        residuals: the series less its slope.
    """
    count = len(residuals)
    centre = median(residuals)
    deviation = scaled_mad(residuals)
    limit = _OUTLIER_DEVIATIONS * deviation
    # One outlier would hide any correlation, so outliers are clipped.
    centred = [max(-limit, min(limit, value - centre)) if deviation else value - centre for value in residuals]
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
        # The sum over a lag has fewer terms, which makes the estimate too small in about that proportion.
        factor += 2 * (1 - lag / count) * min(correlation * count / (count - lag), 1.0)
    return factor


def scaled_mad(values: Sequence[float]) -> float:
    """Return the standard deviation, estimated from the median absolute deviation: half the values may be outliers."""
    centre = median(values)
    return _MAD_SCALE * median(abs(value - centre) for value in values)
