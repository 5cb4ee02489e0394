"""Finds which kind of memory in the ledger a cause of RSS mostly is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .. import results
from .rss_breakdown import COUNTER, FILE, SHARED_MEMORY, TRACER, Key

_MOST = 0.7  # of a cause: what a kind of memory has to have room for


def added_memory(report: results.TraceReport) -> dict[Key, int]:
    """Returns what RSS had more of at its largest reading than at the first one; empty if that is not the peak.

    Args:
        report: of one process.
    """
    moments = {one.moment: one for one in report.composition or []}
    begin, largest = moments.get("begin"), moments.get("largest")
    if begin is None or largest is None or largest.rss_bytes < _MOST * report.trace.processes[0].peak_bytes:
        return {}
    added = _sums(largest.items)
    for kind, size in _sums(begin.items).items():
        added[kind] = added.get(kind, 0) - size
    return _known(added)


def find_kinds(causes: Sequence[results.Cause], report: results.TraceReport) -> None:
    """Sets the category and owner of each cause for which only one kind of memory has room.

    Args:
        causes: changed in place.
        report: of one process.
    """
    imported = sum(row.own_bytes for row in report.imports or [])
    process = _without_files(added_memory(report), imported)
    phases = {
        row.path: _without_files(_known(_sums(row.items)), _imported_in(row.path, report))
        for row in report.ledger or []
        if row.path and not row.unread_bytes
    }
    waiting = list(causes)
    while waiting:
        found = None
        for cause in waiting:
            pool = phases.get(cause.path, process)
            kinds = [kind for kind, size in pool.items() if size >= _MOST * _size(cause)]
            if len(kinds) == 1:
                found = cause
                cause.category, cause.owner = kinds[0]
                for each in (pool, process):
                    if kinds[0] in each:
                        each[kinds[0]] -= _size(cause)
                break
        if found is None:
            return
        waiting.remove(found)


def _size(cause: results.Cause) -> int:
    return max(cause.bytes, cause.kept_bytes or 0)


def _imported_in(path: str, report: results.TraceReport) -> int:
    return sum(row.imported_bytes for row in report.import_phases or [] if row.path == path)


def _sums(items: Iterable[results.LedgerItem]) -> dict[Key, int]:
    """Returns the bytes by kind. Segments of shared memory have names of their own, and are of one kind."""
    sums: dict[Key, int] = {}
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
