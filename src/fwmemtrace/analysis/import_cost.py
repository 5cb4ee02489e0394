"""Puts together what the command `imports` reports, from the trace of a process that did nothing but import."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .. import results
from .rss_breakdown import FILE, MODEL_FILE


def import_cost(report: results.TraceReport, modules: Sequence[str]) -> results.ImportCost:
    """Return what importing some modules costs.

    Args:
        report: of a process that imported each of the modules in a phase of its own.
        modules: the modules.
    """
    phases = [phase for phase in report.phases if phase.path]
    residents = [phase.resident for phase in phases if phase.resident is not None]
    ledger = report.ledger or []
    return results.ImportCost(
        modules=list(modules),
        before_bytes=residents[0].before_bytes if residents else 0,
        rss_delta_bytes=sum(resident.delta_bytes for resident in residents),
        peak_bytes=max((resident.peak_bytes for resident in residents), default=0),
        wall_ns=sum(phase.wall_ns for phase in phases),
        unaccounted_bytes=sum(row.unaccounted_bytes for row in report.import_phases or []),
        # `asked_by` would name the command's own code.
        imports=[msgspec.structs.replace(row, asked_by="") for row in report.imports or []],
        packages=[msgspec.structs.replace(row, asked_by="") for row in report.import_packages or []],
        libraries=_merged([item for row in ledger for item in row.items if item.category in (FILE, MODEL_FILE)]),
        ledger=ledger,
        notes=report.trace.notes,
    )


def _merged(items: Sequence[results.LedgerItem]) -> list[results.LedgerItem]:
    """Return the sums of the items of each category and owner, the largest first."""
    merged: dict[tuple[str, str], results.LedgerItem] = {}
    for item in items:
        total = merged.setdefault(
            (item.category, item.owner), results.LedgerItem(category=item.category, owner=item.owner, bytes=0)
        )
        total.bytes += item.bytes
        total.private_bytes += item.private_bytes
        total.evictable_bytes += item.evictable_bytes
        total.anonymous_bytes += item.anonymous_bytes
    return sorted(merged.values(), key=lambda item: -item.bytes)
