"""The sections of a trace's report: those that the firewall's team had, with nothing in them that is from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from .. import results
from ..paths import nearest, write
from ..units import format_bytes, format_count, format_duration
from . import columns, holdings, sites
from .growth_sections import growth_section
from .sections import Grid, Section
from .sentences import control_group, executive_summary, process_title

_SNAPSHOTS = 24  # rows of the timeline: more than that nobody reads


def trace_sections(report: results.TraceReport, *, top: int, timeline: bool = True) -> list[Section]:
    """The whole report but its notes.

    Args:
        report: the results.
        top: rows of each table of top allocations.
        timeline: whether to show snapshots over time; a terminal has the tree at its top instead.
    """
    sections = [Section("Executive summary", executive_summary(report))]
    for process in report.trace.processes:
        sections += _process(report, process, top, timeline=timeline)
    overhead = _overhead(report)
    if overhead.rows:
        sections.append(Section("What the measuring cost", grids=[overhead]))
    return sections


def _process(report: results.TraceReport, process: results.Process, top: int, *, timeline: bool) -> list[Section]:
    suffix = f" (pid {process.pid})" if len(report.trace.processes) > 1 else ""
    phases = [phase for phase in report.phases if phase.pid == process.pid]
    points = [point for point in report.timeline if point.pid == process.pid]
    sections = []
    if timeline and points:
        sections.append(Section(f"Timeline of snapshots{suffix}", grids=[_timeline(points)]))
    group = control_group(process)
    about = [f"`{process_title(process)}`"] if group is None else [f"`{process_title(process)}`.", group]
    sections.append(Section(f"Profile per phase{suffix}", about, [_profile(process, phases)]))
    held = [_grid(title, rows) for title, rows in holdings.tables(report, process.pid, top)]
    if held:
        sections.append(Section(f"What holds the memory{suffix}", grids=held))
    growth = growth_section(report, process, suffix)
    if growth is not None:
        sections.append(growth)
    repeated = _told_by_an_inner_phase(phases)
    ledgers = {made.path: made for made in report.ledger or [] if made.pid == process.pid and made.path not in repeated}
    allocations = [
        section for phase in phases if (section := _phase(phase, process, ledgers.get(phase.path), top)) is not None
    ]
    if allocations:
        sections += [Section(f"Top allocations{suffix}"), *allocations]
    return sections


def _told_by_an_inner_phase(phases: Sequence[results.PhaseRow]) -> set[str]:
    """Paths whose RSS change is nearly all that of one phase inside: its ledger says the same, closer to the cause."""
    changes = {phase.names: phase.resident.delta_bytes for phase in phases if phase.path and phase.resident is not None}
    return {
        write(around)
        for path, change in changes.items()
        if (around := nearest(path, changes)) and change and 0.95 <= change / (changes[around] or change * 2) <= 1.05
    }


def _timeline(points: Sequence[results.TimelinePoint]) -> Grid:
    rows, before = [], None
    for point in thin(points, _SNAPSHOTS):
        change = "" if before is None else format_bytes(point.rss_bytes - before, signed=True)
        phase = f"`{point.phase}`" if point.phase else "outside any phase"
        rows.append([format_duration(point.at_ns), format_bytes(point.rss_bytes), change, phase])
        before = point.rss_bytes
    return Grid(["at", "RSS", "change", "phase"], rows, right=(0, 1, 2))


def thin(points: Sequence[results.TimelinePoint], limit: int) -> list[results.TimelinePoint]:
    """The first point, the last, and between them those that RSS moved most to, in order of time.

    Points that differ from the one before by less than half a percent of the highest are left out.
    """
    least = max(point.rss_bytes for point in points) / 200
    moves = {at: abs(points[at].rss_bytes - points[at - 1].rss_bytes) for at in range(1, len(points) - 1)}
    largest = sorted((at for at in moves if moves[at] >= least), key=lambda at: moves[at], reverse=True)
    kept = sorted({0, len(points) - 1, *largest[: limit - 2]})
    return [points[at] for at in kept]


def _profile(process: results.Process, phases: Sequence[results.PhaseRow]) -> Grid:
    shown = columns.for_phases(phases)
    rows = [[row.guide + row.name, *row.cells] for row in columns.rows(process, phases, shown)]
    return Grid(["phase", *(column.title for column in shown)], rows, right=range(1, len(shown) + 1))


def _phase(
    phase: results.PhaseRow, process: results.Process, ledger: results.Ledger | None, top: int
) -> Section | None:
    tables = sites.tables(phase, top)
    if ledger is not None and (rows := holdings.ledger(ledger, process, top)):
        tables.insert(0, ("what its RSS change consists of", rows))
    if not tables:
        return None
    title = f"`{phase.path}`" if phase.path else "Outside any phase"
    return Section(title, grids=[_grid(title, rows) for title, rows in tables], level=3)


def _grid(title: str, rows: Sequence[sites.Site]) -> Grid:
    figures = len(rows[0].figures)
    return Grid([""] * (figures + 1), [[*row.figures, row.place] for row in rows], right=range(figures), title=title)


def _overhead(report: results.TraceReport) -> Grid:
    rows = [
        [cost.probe, str(cost.pid), format_duration(cost.wall_ns), format_bytes(cost.rss_bytes, signed=True)]
        for cost in report.overhead
        if cost.wall_ns or cost.rss_bytes
    ]
    return Grid(["probe", "pid", "time at phase edges, start and stop", "RSS left behind"], rows, right=(1, 2, 3))


def notes(report: results.TraceReport) -> list[Section]:
    """What the probes, sinks and readers had to say, and what is missing from the trace."""
    info = report.trace
    items = list(info.notes)
    if info.lost_records:
        items.insert(0, f"{format_count(info.lost_records)} records were lost.")
    if info.damaged_bytes:
        items.insert(0, f"{format_count(info.damaged_bytes)} bytes of the trace are damaged and were passed over.")
    return [Section("Notes", items=items)] if items else []
