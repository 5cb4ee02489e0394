"""Figures that were measured several times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median_low

from ...results.suite import Spread


def spread(figures: Iterable[int]) -> Spread | None:
    """The middle and both ends of some figures; None where there is none.

    The middle is one of them, so that what belongs to it (a ledger) belongs to a run that there was.
    """
    known = list(figures)
    if not known:
        return None
    return Spread(median_bytes=median_low(known), low_bytes=min(known), high_bytes=max(known), runs=len(known))


def saving(before: Spread, after: Spread) -> tuple[int, int]:
    """The least and the most that lies between two measured figures; negative where it needs more than before."""
    return before.low_bytes - after.high_bytes, before.high_bytes - after.low_bytes


def middle(figures: Sequence[int]) -> int:
    """The position of the run that lies in the middle."""
    return list(figures).index(median_low(figures))
