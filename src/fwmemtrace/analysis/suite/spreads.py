"""Figures measured in several runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median_low

from ...results.suite import Spread


def spread(figures: Iterable[int]) -> Spread | None:
    """Returns the median and both ends of some figures; None if there are none.

    The median is one of the figures, so that a ledger shown with it comes from a run that took place.
    """
    known = list(figures)
    if not known:
        return None
    return Spread(median_bytes=median_low(known), low_bytes=min(known), high_bytes=max(known), runs=len(known))


def saving(before: Spread, after: Spread) -> tuple[int, int]:
    """Returns the smallest and the largest saving between two figures; negative where more is needed than before."""
    return before.low_bytes - after.high_bytes, before.high_bytes - after.low_bytes


def middle(figures: Sequence[int]) -> int:
    """Returns the position of the median."""
    return list(figures).index(median_low(figures))
