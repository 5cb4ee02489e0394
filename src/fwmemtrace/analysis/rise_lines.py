"""Sums the rises of RSS by line of the program's own code, with the kind of memory of each line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .. import results

_SHARE = 0.8  # of a line's bytes that must be of one kind, for the line to be said to be of it


@dataclass(slots=True)
class _Sum:
    line: results.Frame
    package: str
    bytes: int = 0
    at_peak_bytes: int = 0
    paths: set[str] = field(default_factory=set)


def rise_lines(
    rises: Sequence[results.Rise], ledgers: Iterable[results.Ledger], imports: Iterable[results.ImportPhase]
) -> list[results.RiseLine]:
    """Return a row for each line of the program and package that it called, the largest first.

    Args:
        rises: of one process.
        ledgers: of its phases.
        imports: what imports account for in its phases.
    """
    sums: dict[tuple[str, str, int, str], _Sum] = {}
    for rise in rises:
        if rise.line is not None:
            line = rise.line
            key = line.function, line.file, line.line, rise.package
            one = sums.setdefault(key, _Sum(line, rise.package))
            one.bytes += rise.bytes
            one.at_peak_bytes += rise.at_peak_bytes
            one.paths.add(rise.path)
    by_path = {ledger.path: ledger for ledger in ledgers}
    imported = {phase.path: phase.imported_bytes for phase in imports}
    rows = []
    for one in sorted(sums.values(), key=lambda one: -one.bytes):
        kind = None
        (path, *more) = one.paths
        if not more and path in by_path:
            others = sum(rise.bytes for rise in rises if _is_inside(rise.path, path)) - one.bytes
            kind = _kind(by_path[path], one.bytes, others + max(0, imported.get(path, 0)))
        rows.append(
            results.RiseLine(
                bytes=one.bytes,
                at_peak_bytes=one.at_peak_bytes,
                line=one.line,
                package=one.package,
                category=None if kind is None else kind.category,
                owner=None if kind is None else kind.owner,
            )
        )
    return rows


def _kind(ledger: results.Ledger, size: int, others: int) -> results.LedgerItem | None:
    """Return the item of a phase's ledger that a line's bytes belong to, if the figures leave no other way.

    Whatever else made RSS rise in the phase may be of that kind too. So this much of the item, at least, is the line's:
    the item less all other rises.
    """
    largest = max(ledger.items, key=lambda item: item.bytes, default=None)
    return largest if largest is not None and largest.bytes - others >= _SHARE * size else None


def _is_inside(path: str, around: str) -> bool:
    return path == around or path.startswith(f"{around}/")
