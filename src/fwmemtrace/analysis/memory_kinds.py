"""Finds which kind of memory in the ledger a cause of RSS mostly is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from .. import results
from .rss_breakdown import COUNTER, FILE, SHARED_MEMORY, TRACER, UNEXPLAINED, Key

_MOST = 0.7  # of a cause: what a kind of memory has to have room for


def added_memory(report: results.TraceReport) -> dict[Key, int]:
    """Returns what RSS had more of at its largest reading than at the first one; empty if that is not the peak.

    Args:
        report: of one process.
    """
    largest = _moment(report, "largest")
    if largest is None or largest.rss_bytes < _MOST * report.trace.processes[0].peak_bytes:
        return {}
    return _added(report, largest)


def _moment(report: results.TraceReport, name: str) -> results.Composition | None:
    return next((one for one in report.composition or [] if one.moment == name), None)


def _added(report: results.TraceReport, later: results.Composition | None) -> dict[Key, int]:
    """Returns what RSS had more of at a later moment than at the first one."""
    begin = _moment(report, "begin")
    if begin is None or later is None:
        return {}
    added = _sums(later.items, later.unexplained_bytes)
    for kind, size in _sums(begin.items, begin.unexplained_bytes).items():
        added[kind] = added.get(kind, 0) - size
    return _known(added)


def find_kinds(causes: Sequence[results.Cause], report: results.TraceReport) -> None:
    """Sets the category and owner of each cause for which only one kind of memory has room.

    Where that is open for a cause of which a part stayed, it sets the category and owner of that part.

    Args:
        causes: changed in place.
        report: of one process.
    """
    imported = sum(row.own_bytes for row in report.imports or [])
    process = _without_files(added_memory(report), imported)
    phases = {
        row.path: _without_files(_known(_sums(row.items, row.unexplained_bytes)), _imported_in(row.path, report))
        for row in report.ledger or []
        if row.path and not row.unread_bytes
    }
    for cause, kind in _only_kinds(causes, _size, lambda cause: phases.get(cause.path, process), process):
        cause.category, cause.owner = kind
    partly = [cause for cause in causes if not cause.category and 0 < (cause.kept_bytes or 0) < cause.bytes]
    at_end = _without_files(_added(report, _moment(report, "end")), imported)
    for cause, kind in _only_kinds(partly, lambda cause: cause.kept_bytes or 0, lambda _: at_end, at_end):
        cause.kept_category, cause.kept_owner = kind


def _only_kinds(
    causes: Sequence[results.Cause],
    size_of: Callable[[results.Cause], int],
    pool_of: Callable[[results.Cause], dict[Key, int]],
    everything: dict[Key, int],
) -> Iterator[tuple[results.Cause, Key]]:
    """Yields each cause whose size only one kind of memory in its pool has room for, and takes it from the pools."""
    waiting = list(causes)
    while waiting:
        for cause in waiting:
            pool = pool_of(cause)
            kinds = [kind for kind, size in pool.items() if size >= _MOST * size_of(cause)]
            if len(kinds) == 1:
                break
        else:
            return
        yield cause, kinds[0]
        for each in (pool,) if pool is everything else (pool, everything):
            if kinds[0] in each:
                each[kinds[0]] -= size_of(cause)
        waiting.remove(cause)


def _size(cause: results.Cause) -> int:
    return max(cause.bytes, cause.kept_bytes or 0)


def _imported_in(path: str, report: results.TraceReport) -> int:
    return sum(row.imported_bytes for row in report.import_phases or [] if row.path == path)


def _sums(items: Iterable[results.LedgerItem], unexplained: int) -> dict[Key, int]:
    """Returns the bytes by kind. Segments of shared memory have names of their own, and are of one kind."""
    sums: dict[Key, int] = {(UNEXPLAINED, ""): unexplained}
    for item in items:
        kind = item.category, "" if item.category == SHARED_MEMORY else item.owner
        sums[kind] = sums.get(kind, 0) + item.bytes
    return sums


def _known(sizes: dict[Key, int]) -> dict[Key, int]:
    return {kind: size for kind, size in sizes.items() if size > 0 and kind[0] not in (TRACER, COUNTER)}


def _without_files(sizes: dict[Key, int], imported: int) -> dict[Key, int]:
    """Takes away what imports have mapped: most of them are the pages of shared libraries."""
    imported = max(0, imported)  # below 0 if a garbage collection has freed more meanwhile
    left = dict(sizes)
    for kind, size in sorted(sizes.items(), key=lambda item: -item[1]):
        if kind[0] == FILE:
            taken = min(size, imported)
            left[kind] -= taken
            imported -= taken
    return left
