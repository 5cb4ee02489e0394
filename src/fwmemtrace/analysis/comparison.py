"""Compares two traces phase by phase."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from .. import results
from ..paths import OUTSIDE, PhasePath, in_tree_order, write


class BeforeAfter(msgspec.Struct, frozen=True):
    """A figure in both traces; None where a trace has no such phase or probe."""

    before: int | None
    after: int | None

    @property
    def change(self) -> int:
        """After less before; None counts as 0."""
        return (self.after or 0) - (self.before or 0)


class PhaseChange(msgspec.Struct, frozen=True, kw_only=True):
    """One phase path in both traces, over all processes: peaks are maxima, all other figures sums."""

    path: str
    calls: BeforeAfter
    delta_bytes: BeforeAfter
    peak_bytes: BeforeAfter
    native_live_bytes: BeforeAfter
    wall_ns: BeforeAfter


class _Totals(msgspec.Struct):
    calls: int = 0
    wall_ns: int = 0
    delta_bytes: int | None = None
    peak_bytes: int | None = None
    native_live_bytes: int | None = None


def compare(before: results.TraceReport, after: results.TraceReport) -> list[PhaseChange]:
    """Compare two reports.

    Returns:
        A row for each phase path of either report in tree order, those of `after` first, and last the row "" for what
        happened in no phase.
    """
    old, new = _by_path(before.phases), _by_path(after.phases)
    paths = [path for path in dict.fromkeys([*new, *old]) if path]
    return [_change(path, old.get(path), new.get(path)) for path in [*in_tree_order(paths), OUTSIDE]]


def _by_path(phases: Iterable[results.PhaseRow]) -> dict[PhasePath, _Totals]:
    by_path: dict[PhasePath, _Totals] = {}
    for phase in phases:
        totals = by_path.setdefault(phase.names, _Totals())
        totals.calls += phase.calls
        totals.wall_ns += phase.wall_ns
        if phase.resident is not None:
            totals.delta_bytes = (totals.delta_bytes or 0) + phase.resident.delta_bytes
            totals.peak_bytes = max(totals.peak_bytes or 0, phase.resident.peak_bytes)
        if phase.native is not None:
            totals.native_live_bytes = (totals.native_live_bytes or 0) + phase.native.live_bytes
    return by_path


def _change(path: PhasePath, old: _Totals | None, new: _Totals | None) -> PhaseChange:
    def both(name: str) -> BeforeAfter:
        return BeforeAfter(None if old is None else getattr(old, name), None if new is None else getattr(new, name))

    return PhaseChange(
        path=write(path),
        calls=both("calls"),
        delta_bytes=both("delta_bytes"),
        peak_bytes=both("peak_bytes"),
        native_live_bytes=both("native_live_bytes"),
        wall_ns=both("wall_ns"),
    )
