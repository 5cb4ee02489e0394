"""What the whole process's memory consists of, and what the imports brought: tables over all phases."""

from __future__ import annotations

from collections.abc import Sequence

from .. import results
from ..units import format_bytes, format_count
from .sites import Site

_WORTH_TELLING = 0.02  # of the process's RSS
_UNEXPLAINED = "unexplained: anonymous memory without a name"


def tables(report: results.TraceReport, pid: int, top: int) -> list[tuple[str, list[Site]]]:
    """The tables that have a row, each with its title."""
    moments = {made.moment: made for made in report.composition or [] if made.pid == pid}
    end, largest = moments.get("end"), moments.get("largest")
    if end is not None and largest is not None and largest.rss_bytes - end.rss_bytes < _WORTH_TELLING * end.rss_bytes:
        largest = None
    found = [
        *((_title(made), _composition(made, top)) for made in (largest, end) if made is not None),
        (
            "what several processes like this one would take: pages of files once, anonymous memory each",
            _workers(report, pid),
        ),
        ("what imports brought, by package: RSS, modules, and who first asked for it", _packages(report, top)),
    ]
    return [(title, rows) for title, rows in found if rows]


def _title(made: results.Composition) -> str:
    size = format_bytes(made.rss_bytes)
    return f"what the resident {size} consisted of at {_MOMENTS[made.moment]}" + (
        f" (in {made.path})" if made.path else ""
    )


_MOMENTS = {"begin": "the session's begin", "largest": "its largest reading", "end": "the end"}


def _composition(made: results.Composition, top: int) -> list[Site]:
    return _shares(made.items, made.unexplained_bytes, made.rss_bytes, top, signed=False)


def ledger(made: results.Ledger, process: results.Process, top: int) -> list[Site]:
    """What the RSS change of a phase consists of, the largest parts first; none for a change not worth telling."""
    if abs(made.rss_delta_bytes) < _WORTH_TELLING * process.peak_bytes:
        return []
    return _shares(made.items, made.unexplained_bytes, made.rss_delta_bytes, top, signed=True)


def _shares(items: Sequence[results.LedgerItem], unexplained: int, whole: int, top: int, *, signed: bool) -> list[Site]:
    """The largest items, the sum of the others, and what is unexplained, so that the rows add up."""
    ordered = sorted(items, key=lambda item: abs(item.bytes), reverse=True)
    rows = [(item.bytes, f"{item.category}: {item.owner}") for item in ordered[:top]]
    others = sum(item.bytes for item in ordered[top:])
    if others:
        rows.append((others, f"{format_count(len(ordered) - top)} smaller items"))
    rows.append((unexplained, _UNEXPLAINED))
    return [Site([format_bytes(size, signed=signed), f"{size / whole:.1%}"], place) for size, place in rows]


def _workers(report: results.TraceReport, pid: int) -> list[Site]:
    return [
        Site(
            [format_bytes(row.total_bytes)],
            f"{row.workers} workers: {format_bytes(row.once_bytes)} once and {format_bytes(row.each_bytes)} each "
            f"(their RSS would add up to {format_bytes(row.sum_of_rss_bytes)})",
        )
        for row in report.workers or []
        if row.pid == pid
    ]


def _packages(report: results.TraceReport, top: int) -> list[Site]:
    rows = []
    for package in (report.import_packages or [])[:top]:
        chain = " > ".join([*_folded(package.chain), package.package])
        asked = f", asked for by {package.asked_by}" if package.asked_by else ""
        where = f" in {package.phase}" if package.phase else ""
        rows.append(
            Site(
                [format_bytes(package.own_bytes, signed=True), format_count(package.modules)],
                f"{chain}{where}{asked}",
            )
        )
    return rows


def _folded(chain: Sequence[str]) -> list[str]:
    """A chain of modules by their packages: the steps from one package into another are what a fix is made at."""
    packages = [module.partition(".")[0] for module in chain]
    return [name for number, name in enumerate(packages) if not number or packages[number - 1] != name]
