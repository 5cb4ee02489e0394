"""The profiles of a suite's components: tables of phases, holders, imports, tensors, variants and allocations."""

from __future__ import annotations

from collections.abc import Sequence

from ...results.suite import SuiteAgreement, SuiteComponent, SuitePhase
from ..blocks import Bytes, Code, Column, Count, Duration, Prose, Ratio, Section, Sentence, Table
from ..ledger_words import UNEXPLAINED, ledger_words
from ..sites import short
from .summary import growth_sentence
from .words import spread_words

_LEAST = 100_000  # bytes of a row that explains something
_WORK = ("import", "init", "first request", "batch")
_SITE_KINDS = {
    "native": "Native memory still live, by stack",
    "python_heap": "Python heap growth, by line",
    "objects": "Objects, by type",
}


def snapshots(components: Sequence[SuiteComponent]) -> Table:
    """Returns RSS before and after each phase of each component."""
    rows: list[list[Sentence]] = [
        [
            component.name,
            phase.path,
            Bytes(phase.after.median_bytes - phase.delta.median_bytes),
            Bytes(phase.after.median_bytes),
            Bytes(phase.delta.median_bytes, signed=True),
            Bytes(phase.peak.median_bytes),
            Duration(phase.wall_ns),
        ]
        for component in components
        for phase in component.phases
    ]
    figures = ("RSS before", "RSS after", "change", "peak RSS", "time")
    return _table("snapshots", ("component", "phase"), figures, rows)


def profiles(components: Sequence[SuiteComponent]) -> Table:
    """Returns one row for each component."""
    rows = [_profile(component) for component in components]
    figures = ("import", "init", "first", "batch", "held", "peak", "spread")
    table = _table("profiles", ("component",), figures, rows)
    if all(component.outcome == "ok" for component in components):
        return table
    outcomes = [[*row, component.outcome] for row, component in zip(rows, components, strict=True)]
    return Table(table.id, [*table.columns, Column("outcome")], outcomes)


def component_section(number: int, component: SuiteComponent, top: int) -> Section:
    """Returns the profile of one component.

    Args:
        number: its position, for the id of the section.
        component: the component.
        top: rows of each table.
    """
    tables = [
        _holders(component, top),
        _packages(component, top),
        _arrays(component),
        _variants(component),
        _disturbances(component),
    ]
    return Section(
        f"component-{number}",
        component.name,
        [
            Prose("growth", [growth_sentence(component), *_workers(component)]),
            *(table for table in tables if table.rows),
        ],
        level=3,
    )


def _workers(component: SuiteComponent) -> list[Sentence]:
    if not component.worker_processes:
        return []
    have = " process that it started has " if component.worker_processes == 1 else " processes that it started have "
    return [["The ", Count(component.worker_processes), have, Bytes(component.worker_bytes), " of private memory."]]


def allocations_section(number: int, component: SuiteComponent, top: int) -> Section | None:
    """Returns the largest allocations of one component; None if no heavy probe found one."""
    tables = []
    for kind, title in _SITE_KINDS.items():
        rows = [
            [Bytes(site.bytes), Count(site.count), site.phase, _place(kind, site.place)]
            for site in component.sites
            if site.kind == kind
        ][:top]
        if rows:
            columns = [Column("bytes", "right"), Column("count", "right"), Column("phase"), Column("where")]
            tables.append(Table(kind, columns, rows, title))
    return Section(f"allocations-{number}", component.name, [*tables], level=3) if tables else None


def _table(
    id: str, names: Sequence[str], figures: Sequence[str], rows: Sequence[Sequence[Sentence]], title: str = ""
) -> Table:
    columns = [*(Column(name) for name in names), *(Column(figure, "right") for figure in figures)]
    return Table(id, columns, rows, title)


def _profile(component: SuiteComponent) -> list[Sentence]:
    phases = {phase.path: phase for phase in component.phases}
    held, peak = component.held, component.peak
    return [
        component.name,
        *(_change(phases.get(path)) for path in _WORK),
        None if held is None else Bytes(held.median_bytes),
        None if peak is None else Bytes(peak.median_bytes),
        None if held is None or held.runs < 2 else Bytes(held.high_bytes - held.low_bytes),
    ]


def _change(phase: SuitePhase | None) -> Sentence:
    return None if phase is None else Bytes(phase.delta.median_bytes, signed=True)


def _holders(component: SuiteComponent, top: int) -> Table:
    rows: list[list[Sentence]] = []
    for phase in component.phases:
        if phase.path not in _WORK:
            continue
        largest = sorted(phase.holders or [], key=lambda holder: -abs(holder.bytes))[:top]
        lines = [(ledger_words(holder.category, holder.owner), holder.bytes) for holder in largest]
        lines.append((UNEXPLAINED, phase.unexplained_bytes or 0))
        rows += [[phase.path, name, Bytes(size, signed=True)] for name, size in lines if abs(size) >= _LEAST]
    return _table("holders", ("phase", "memory"), ("bytes",), rows, "Ledger")


def _packages(component: SuiteComponent, top: int) -> Table:
    rows: list[list[Sentence]] = [
        [package.package, Bytes(package.bytes), Count(package.modules)]
        for package in (component.packages or [])[:top]
        if package.bytes >= _LEAST
    ]
    return _table("packages", ("package",), ("import cost", "modules"), rows, "Imports")


def _arrays(component: SuiteComponent) -> Table:
    rows: list[list[Sentence]] = [
        [
            f"{row.library} {row.dtype}" + (", parameters" if row.parameters else ""),
            Count(row.count),
            Bytes(row.bytes),
            Bytes(row.resident_bytes),
            Bytes(row.private_bytes),
        ]
        for row in component.arrays or []
        if row.bytes >= _LEAST
    ]
    figures = ("storages", "size", "resident", "private")
    return _table("arrays", ("tensors",), figures, rows, "Tensors and arrays after the requests")


def _variants(component: SuiteComponent) -> Table:
    rows: list[list[Sentence]] = []
    for variant in component.variants:
        change = None
        if variant.held is not None and component.held is not None:
            change = Bytes(variant.held.median_bytes - component.held.median_bytes, signed=True)
        held = "failed" if variant.held is None else spread_words(variant.held)
        request = None if variant.request_ns is None else Duration(variant.request_ns)
        rows.append(
            [Code(variant.name), held, spread_words(variant.peak), change, request, _agreement(variant.agreement)]
        )
    columns = [Column("variant"), *(Column(head, "right") for head in ("held", "peak", "change", "per request"))]
    return Table("variants", [*columns, Column("answers")], rows, "Variants")


def _agreement(found: SuiteAgreement | None) -> str:
    """Returns how far the answers of a variant agree with the component's."""
    if found is None:
        return ""
    if found.equal == found.requests:
        return "equal"
    if found.largest_difference is None:
        return f"{found.equal} of {found.requests} equal"
    cosine = "" if found.cosine is None else f", cosine {found.cosine:.4f}"
    return f"differ by up to {found.largest_difference:.2g}{cosine}"


def _disturbances(component: SuiteComponent) -> Table:
    rows: list[list[Sentence]] = [
        [
            cost.purpose,
            Ratio(cost.wall_ratio),
            Bytes(cost.added_bytes, signed=True),
            Bytes(cost.peak_added_bytes, signed=True),
        ]
        for cost in component.disturbances
    ]
    title = "Overhead of the heavy probes, not part of any other figure"
    return _table("overhead", ("probes",), ("time", "held", "peak"), rows, title)


def _place(kind: str, place: str) -> Sentence:
    if kind == "objects":
        return Code(place)
    if not place:
        return "no Python frame"
    return Code(" < ".join(" ".join(short(word) for word in frame.split(" ")) for frame in place.split(" < ")))
