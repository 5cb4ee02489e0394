"""Confidence intervals for bytes that samples estimate.

A sample stands for a weight of bytes, and the variance of a sum of weights is known. The bounds of a sum are those of
Fay and Feuer (Statistics in Medicine 16, 1997) for weighted sums of Poisson counts. Where the total is known exactly,
only the share of it is estimated: the bounds of the sum and of the rest are joined by the method of variance estimates
recovery (Zou and Donner, Statistics in Medicine 27, 2008), on the scale of logarithms.
"""

from __future__ import annotations

from math import exp, hypot, log, sqrt

_Z = 1.959964  # 95% of a normal distribution is within this many standard deviations


def bounds_of_sum(total: float, variance: float, largest: float) -> tuple[float, float]:
    """Return 95% bounds of a sum that was estimated from samples.

    Args:
        total: the sum of the weights.
        variance: of that sum.
        largest: the weight of a sample that may have been missed.
    """
    low = 0.0
    if total > 0:
        low = total if variance <= 0 else variance / total * _gamma_quantile(total * total / variance, -_Z)
    mean, spread = total + largest, variance + largest * largest
    return low, spread / mean * _gamma_quantile(mean * mean / spread, _Z)


def bounds_of_share(
    part: float, part_variance: float, rest: float, rest_variance: float, largest: float
) -> tuple[float, float]:
    """Return 95% bounds of the share that a part has in the whole.

    Args:
        part: the sum of the part's weights.
        part_variance: of that sum.
        rest: the sum of all other weights of the whole.
        rest_variance: of that sum.
        largest: the weight of a sample that may have been missed.
    """
    part_low, part_high = bounds_of_sum(part, max(0.0, part_variance), largest)
    rest_low, rest_high = bounds_of_sum(max(0.0, rest), max(0.0, rest_variance), largest)
    if part <= 0:
        return 0.0, min(1.0, part_high / (part_high + rest)) if rest > 0 else 1.0
    if rest <= largest * 1e-9:
        return part / (part + rest_high), 1.0
    odds = log(part / rest)
    down = hypot(log(part / part_low), log(rest_high / rest)) if part_low > 0 else None
    up = hypot(log(part_high / part), log(rest / rest_low)) if rest_low > 0 else None
    return 0.0 if down is None else _share(odds - down), 1.0 if up is None else _share(odds + up)


def _share(log_odds: float) -> float:
    return 1 / (1 + exp(-log_odds)) if log_odds > -700 else 0.0


def _gamma_quantile(shape: float, z: float) -> float:
    """Return a quantile of the gamma distribution, by the approximation of Wilson and Hilferty."""
    if shape < 1e-6:
        return 0.0
    root = 1 - 1 / (9 * shape) + z / (3 * sqrt(shape))
    return shape * root**3 if root > 0 else 0.0
