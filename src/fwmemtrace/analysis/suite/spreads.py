"""Figures that were measured several times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median, median_low

from ..suite_results import Spread


def spread(figures: Iterable[int]) -> Spread | None:
    """The middle and both ends of some figures; None where there is none."""
    known = list(figures)
    if not known:
        return None
    return Spread(median_bytes=round(median(known)), low_bytes=min(known), high_bytes=max(known), runs=len(known))


def saving(before: Spread, after: Spread) -> tuple[int, int]:
    """The least and the most that lies between two measured figures; negative where it needs more than before."""
    return before.low_bytes - after.high_bytes, before.high_bytes - after.low_bytes


def theil_sen(figures: Sequence[int]) -> float:
    """The median slope over all pairs: what one step of the sequence adds, whatever a few outliers do."""
    # 200 points are 20,000 pairs; more of them say nothing new.
    step = max(1, len(figures) // 200)
    points = list(enumerate(figures))[::step]
    slopes = [(b - a) / (j - i) for at, (i, a) in enumerate(points) for j, b in points[at + 1 :]]
    return median(slopes) if slopes else 0.0


def middle(figures: Sequence[int]) -> int:
    """The position of the run that lies in the middle."""
    return list(figures).index(median_low(figures))
