"""Shows a part of the phases only: down to a depth, inside one phase, from a size on, or in another order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from .. import results
from ..errors import SettingsError, unknown_name
from ..paths import PhasePath, in_tree_order, is_inside, read

Row = TypeVar("Row")

SORT_KEYS: Mapping[str, Callable[[results.PhaseRow], int]] = {
    "change": lambda row: 0 if row.resident is None else row.resident.delta_bytes,
    "peak": lambda row: 0 if row.resident is None else row.resident.peak_bytes,
    "native": lambda row: 0 if row.native is None else row.native.live_bytes,
    "calls": lambda row: row.calls,
    "time": lambda row: row.wall_ns,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which phases to show.

    Attributes:
        depth: levels of phases; None for all.
        phase: the path of a phase, to show it and those inside it; None for all.
        min_bytes: the least RSS change, or peak above its start, of a phase that is shown; phases around one stay.
        sort: one of `SORT_KEYS`, the largest first; None for the order in which they began.
    """

    depth: int | None = None
    phase: str | None = None
    min_bytes: int = 0
    sort: str | None = None


def select(report: results.TraceReport, selection: Selection) -> results.TraceReport:
    """Return the report with the selected phases only, in all tables by phase. The summary stays that of all.

    Raises:
        SettingsError: if there is no such phase or key to sort by.
    """
    if selection == Selection():
        return report
    if selection.sort is not None and selection.sort not in SORT_KEYS:
        raise SettingsError(unknown_name("key", selection.sort, list(SORT_KEYS), "--sort"))
    known = [row.path for row in report.phases if row.path]
    if selection.phase is not None and selection.phase not in known:
        raise SettingsError(unknown_name("phase", selection.phase, list(dict.fromkeys(known))))
    phases = []
    for process in report.trace.processes:
        phases += _phases([row for row in report.phases if row.pid == process.pid], selection)
    shown = {(row.pid, row.path) for row in phases}
    return msgspec.structs.replace(
        report,
        phases=phases,
        ledger=_kept(report.ledger, lambda row: (row.pid, row.path) in shown),
        growth=_kept(report.growth, lambda row: (row.pid, row.path) in shown),
    )


def _phases(rows: list[results.PhaseRow], selection: Selection) -> list[results.PhaseRow]:
    by_path = {row.names: row for row in rows if row.path}
    root: PhasePath = () if selection.phase is None else read(selection.phase)
    large = [path for path, row in by_path.items() if is_inside(path, root) and _size(row) >= selection.min_bytes]
    with_around = {path[:length] for path in large for length in range(max(len(root), 1), len(path) + 1)}
    deepest = None if selection.depth is None else max(len(root) - 1, 0) + selection.depth
    kept = {path: row for path, row in by_path.items() if path in with_around and (not deepest or len(path) <= deepest)}
    ordered = list(kept)
    if selection.sort is not None:
        key = SORT_KEYS[selection.sort]
        ordered.sort(key=lambda path: -key(kept[path]))
    outside = [row for row in rows if not row.path] if selection.phase is None else []
    return [*(kept[path] for path in in_tree_order(ordered)), *outside]


def _size(row: results.PhaseRow) -> int:
    if row.resident is None:
        return 0 if row.native is None else row.native.live_bytes
    return max(abs(row.resident.delta_bytes), row.resident.peak_bytes - row.resident.before_bytes)


def _kept(rows: list[Row] | None, wanted: Callable[[Row], bool]) -> list[Row] | None:
    return None if rows is None else [row for row in rows if wanted(row)]
