"""What changed between two traces, phase by phase."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from .. import results
from ..paths import OUTSIDE, PhasePath, in_tree_order, write


class Figure(msgspec.Struct, frozen=True):
    """A figure in both traces; None where one has no such phase or probe."""

    before: int | None
    after: int | None

    @property
    def change(self) -> int:
        """After less before, nothing counting as zero."""
        return (self.after or 0) - (self.before or 0)


class PhaseChange(msgspec.Struct, frozen=True, kw_only=True):
    """One phase path in both traces, over all processes: changes and live bytes added up, the peak the largest."""

    path: str
    calls: Figure
    delta_bytes: Figure
    peak_bytes: Figure
    native_live_bytes: Figure
    wall_ns: Figure


class _Sum(msgspec.Struct):
    calls: int = 0
    wall_ns: int = 0
    delta_bytes: int | None = None
    peak_bytes: int | None = None
    native_live_bytes: int | None = None


def compare(before: results.TraceReport, after: results.TraceReport) -> list[PhaseChange]:
    """Put two reports side by side.

    Returns:
        A row for each phase path of either, in tree order, the paths of `after` first; last the row "" for what was
        in no phase.
    """
    old, new = _by_path(before.phases), _by_path(after.phases)
    paths = [path for path in dict.fromkeys([*new, *old]) if path]
    return [_change(path, old.get(path), new.get(path)) for path in [*in_tree_order(paths), OUTSIDE]]


def _by_path(phases: Iterable[results.PhaseRow]) -> dict[PhasePath, _Sum]:
    sums: dict[PhasePath, _Sum] = {}
    for phase in phases:
        total = sums.setdefault(phase.names, _Sum())
        total.calls += phase.calls
        total.wall_ns += phase.wall_ns
        if phase.resident is not None:
            total.delta_bytes = (total.delta_bytes or 0) + phase.resident.delta_bytes
            total.peak_bytes = max(total.peak_bytes or 0, phase.resident.peak_bytes)
        if phase.native is not None:
            total.native_live_bytes = (total.native_live_bytes or 0) + phase.native.live_bytes
    return sums


def _change(path: PhasePath, old: _Sum | None, new: _Sum | None) -> PhaseChange:
    def figure(name: str) -> Figure:
        return Figure(None if old is None else getattr(old, name), None if new is None else getattr(new, name))

    return PhaseChange(
        path=write(path),
        calls=figure("calls"),
        delta_bytes=figure("delta_bytes"),
        peak_bytes=figure("peak_bytes"),
        native_live_bytes=figure("native_live_bytes"),
        wall_ns=figure("wall_ns"),
    )
