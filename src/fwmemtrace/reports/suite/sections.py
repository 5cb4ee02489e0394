"""The sections of a suite's report: those that the firewall's team had, with nothing in them that was not measured."""

from __future__ import annotations

from collections.abc import Sequence

from ...results.suite import Suite, SuiteComponent, SuiteLever, SuitePhase
from ...units import format_bytes, format_count, format_duration
from ..sections import Grid, Section
from ..sites import short
from . import sentences as say

_RECOMMENDED = 10

_SITE_KINDS = {
    "native": "native memory that stays, by stack",
    "python_heap": "Python heap, by line",
    "objects": "objects, by type",
}


def suite_sections(suite: Suite, *, top: int = 5) -> list[Section]:
    """The whole report.

    Args:
        suite: the results.
        top: rows of each table of packages, holders and allocations.
    """
    measured = [component for component in suite.components if component.phases]
    sections = [
        Section("Executive summary", say.executive_summary(suite)),
        Section("How it was measured", _method(suite)),
    ]
    if measured:
        sections.append(Section("Snapshots timeline", grids=[_snapshots(measured)]))
        sections.append(Section("Component profiles", [_columns_mean()], [_profiles(suite.components)]))
        sections += [_component(component, top) for component in measured]
    failures = [
        say.failure_sentence(component.name, failure)
        for component in suite.components
        for failure in component.failures
    ]
    if failures:
        sections.append(Section("What did not come through", items=failures))
    if suite.sharing is not None:
        sections.append(_sharing(suite, top))
    allocations = [section for component in measured if (section := _sites(component, top)) is not None]
    if allocations:
        sections += [Section("Top allocations"), *allocations]
    sections.append(_matrix(suite))
    advice = say.recommendations(suite)
    first = advice[:_RECOMMENDED]
    said = [] if advice else ["None: no lever was found."]
    if len(first) < len(advice):
        said = [f"The first {len(first)}; the decision matrix has {len(advice) - len(first)} more."]
    sections.append(Section("Recommendations by priority", said, items=first))
    return sections


def _method(suite: Suite) -> list[str]:
    sentences = [
        f"Each figure of `{suite.file}` comes from fresh interpreters that ran one component each, "
        f"{'once' if suite.repeat == 1 else f'{suite.repeat} times'}, with the light probes only; "
        "it is RSS less that of the interpreter before the component's import "
        f"(a bare one has {format_bytes(suite.bare_bytes)}).",
    ]
    if suite.memory_limit_bytes:
        counts = ", which counts address space, not resident memory" if suite.limited_by == "RLIMIT_AS" else ""
        limit = format_bytes(suite.memory_limit_bytes)
        sentences.append(f"A process was limited to {limit} by {suite.limited_by}{counts}.")
    return sentences


def _snapshots(components: Sequence[SuiteComponent]) -> Grid:
    rows = []
    for component in components:
        for phase in component.phases:
            before = phase.after.median_bytes - phase.delta.median_bytes
            rows.append(
                [
                    component.name,
                    phase.path,
                    format_bytes(before),
                    format_bytes(phase.after.median_bytes),
                    format_bytes(phase.delta.median_bytes, signed=True),
                    format_bytes(phase.peak.median_bytes),
                    format_duration(phase.wall_ns),
                ]
            )
    heads = ["component", "phase", "RSS before", "RSS after", "change", "peak RSS", "time"]
    return Grid(heads, rows, right=range(2, 7))


def _columns_mean() -> str:
    return (
        "import, init, first (request) and batch are changes of RSS; held is RSS after the batch and a garbage "
        "collection, peak the kernel's high-water mark, both less what was there before the import; spread is how far "
        "held differs from run to run."
    )


def _profiles(components: Sequence[SuiteComponent]) -> Grid:
    rows = []
    for component in components:
        phases = {phase.path: phase for phase in component.phases}
        held, peak = component.held, component.peak
        rows.append(
            [
                component.name,
                *(_change(phases.get(path)) for path in ("import", "init", "first request", "batch")),
                "" if held is None else format_bytes(held.median_bytes),
                "" if peak is None else format_bytes(peak.median_bytes),
                "" if held is None or held.runs < 2 else format_bytes(held.high_bytes - held.low_bytes),
                component.outcome,
            ]
        )
    heads = ["component", "import", "init", "first", "batch", "held", "peak", "spread", "outcome"]
    if all(component.outcome == "ok" for component in components):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    return Grid(heads, rows, right=range(1, 8))


def _change(phase: SuitePhase | None) -> str:
    return "" if phase is None else format_bytes(phase.delta.median_bytes, signed=True)


def _component(component: SuiteComponent, top: int) -> Section:
    section = Section(component.name, level=3)
    growth = say.growth_sentence(component)
    section.sentences.append(growth or f"The batch has {format_count(component.requests)} requests.")
    section.grids = [
        grid
        for grid in (
            _holders(component, top),
            _packages(component, top),
            _arrays(component),
            _variants(component),
            _disturbances(component),
        )
        if grid.rows
    ]
    return section


def _holders(component: SuiteComponent, top: int) -> Grid:
    rows = []
    for phase in component.phases:
        if phase.path in ("after gc", "after trim", "batch again"):
            continue
        largest = sorted(phase.holders or [], key=lambda holder: -abs(holder.bytes))[:top]
        rows += [
            [phase.path, say.holder_name(holder.category, holder.owner), format_bytes(holder.bytes, signed=True)]
            for holder in largest
            if abs(holder.bytes) >= 100_000
        ]
        if phase.unexplained_bytes is not None and abs(phase.unexplained_bytes) >= 100_000:
            rows.append([phase.path, "unexplained", format_bytes(phase.unexplained_bytes, signed=True)])
    return Grid(["phase", "what", "bytes"], rows, right=(2,), title="What its memory consists of")


def _packages(component: SuiteComponent, top: int) -> Grid:
    rows = [
        [package.package, format_bytes(package.bytes), format_count(package.modules)]
        for package in (component.packages or [])[:top]
        if package.bytes >= 100_000
    ]
    return Grid(["package", "RSS with its import", "modules"], rows, right=(1, 2), title="What it imports")


def _arrays(component: SuiteComponent) -> Grid:
    rows = [
        [
            f"{row.library} {row.dtype}" + (", parameters" if row.parameters else ""),
            format_count(row.count),
            format_bytes(row.bytes),
            format_bytes(row.resident_bytes),
            format_bytes(row.private_bytes),
        ]
        for row in component.arrays or []
        if row.bytes >= 100_000
    ]
    heads = ["tensors", "storages", "size", "resident", "of which private"]
    return Grid(heads, rows, right=range(1, 5), title="Tensors and arrays after the requests")


def _variants(component: SuiteComponent) -> Grid:
    rows = []
    for variant in component.variants:
        change = ""
        if variant.held is not None and component.held is not None:
            change = format_bytes(variant.held.median_bytes - component.held.median_bytes, signed=True)
        rows.append([variant.name, say.range_of(variant.held) or "failed", say.range_of(variant.peak), change])
    return Grid(["variant", "held", "peak", "held, change"], rows, right=(1, 2, 3), title="Variants")


def _disturbances(component: SuiteComponent) -> Grid:
    rows = [
        [
            cost.purpose,
            f"{cost.wall_ratio:.2f}x",
            format_bytes(cost.added_bytes, signed=True),
            format_bytes(cost.peak_added_bytes, signed=True),
        ]
        for cost in component.disturbances
    ]
    title = "What the heavy probes changed, and which is in no other figure"
    return Grid(["probes", "time", "held", "peak"], rows, right=(1, 2, 3), title=title)


def _sites(component: SuiteComponent, top: int) -> Section | None:
    grids = []
    for kind, title in _SITE_KINDS.items():
        rows = [
            [format_bytes(site.bytes), f"{format_count(site.count)} x", site.phase, _place(kind, site.place)]
            for site in component.sites
            if site.kind == kind
        ][:top]
        if rows:
            grids.append(Grid(["bytes", "count", "phase", "where"], rows, right=(0, 1), title=title))
    return Section(component.name, grids=grids, level=3) if grids else None


def _place(kind: str, place: str) -> str:
    if kind == "objects":
        return place
    if not place:
        return "no Python frame"
    return " < ".join(" ".join(short(word) for word in frame.split(" ")) for frame in place.split(" < "))


def _sharing(suite: Suite, top: int) -> Section:
    sharing = suite.sharing
    assert sharing is not None
    order = [
        [
            part.name + (" (failed)" if part.failed else ""),
            format_bytes(part.alone_bytes),
            format_bytes(part.marginal_bytes, signed=True),
            format_bytes(part.shared_bytes),
        ]
        for part in sharing.order
    ]
    order.append(
        [
            "all together",
            format_bytes(sharing.sum_of_parts_bytes),
            format_bytes(sharing.together_bytes, signed=True),
            "",
        ]
    )
    shared = [[row.package, format_bytes(row.bytes), ", ".join(row.components)] for row in sharing.shared[:top]]
    heads = ["component, in the order of the service", "alone", "adds to those before it", "imports already there"]
    grids = [Grid(heads, order, right=(1, 2, 3))]
    if shared:
        title = "Imported by more than one: told once"
        grids.append(Grid(["package", "RSS with its import", "components"], shared, right=(1,), title=title))
    return Section("Shared and own", [say.sharing_sentence(sharing)], grids)


def _matrix(suite: Suite) -> Section:
    section = Section("Decision matrix")
    if not suite.matrix:
        section.sentences.append("No lever was found that would save more than the runs differ by themselves.")
        return section
    section.sentences.append(
        "now and after are what the component holds in a process of its own; in service is what is saved with all of "
        "them in one process. The lever that brings most"
        + (" towards the budget" if suite.budget is not None and suite.budget.need_bytes else "")
        + " comes first."
    )
    heads = ["component", "lever", "now", "saves", "after", "in service", "basis", "evidence"]
    rows = [_lever(lever) for lever in suite.matrix]
    section.grids.append(Grid(heads, rows, right=(2, 3, 4, 5)))
    return section


def _lever(lever: SuiteLever) -> list[str]:
    evidence = "; ".join(say.fact(one) for one in lever.evidence)
    service = "" if lever.in_service_bytes is None else format_bytes(lever.in_service_bytes, signed=True)
    return [
        lever.component,
        lever.lever,
        format_bytes(lever.now_bytes),
        say.saves(lever),
        format_bytes(lever.after_bytes),
        service,
        lever.basis,
        f"{lever.phase}: {evidence}",
    ]
