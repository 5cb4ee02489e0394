"""The markdown report: for an issue, a wiki page or a file kept beside each release."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis import results
from ..units import format_bytes, format_count, format_duration
from . import columns, holdings, sites
from .base import Options
from .sentences import executive_summary, process_title
from .suite_writing import suite_markdown

_SNAPSHOTS = 24  # rows of the timeline: more than that nobody reads


class MarkdownReport:
    """Writes the sections that the firewall's team had, with nothing in them that is not from this trace."""

    def render(self, report: results.Report, options: Options) -> str:
        if report.suite is not None:
            return suite_markdown(report, report.suite, options)
        blocks = ["# Memory report", *_executive_summary(report)]
        for process in report.trace.processes:
            phases = [phase for phase in report.phases if phase.pid == process.pid]
            blocks += _process(report, process, phases, options)
        blocks += [*_overhead(report), *_notes(report)]
        return "\n\n".join(blocks) + "\n"


def _executive_summary(report: results.Report) -> list[str]:
    return ["## Executive summary", " ".join(executive_summary(report))]


def _process(
    report: results.Report, process: results.Process, phases: Sequence[results.Phase], options: Options
) -> list[str]:
    several = len(report.trace.processes) > 1
    suffix = f" (pid {process.pid})" if several else ""
    blocks = [f"Process: `{process_title(process)}`"]
    points = [point for point in report.timeline if point.pid == process.pid]
    if points:
        blocks += [f"## Timeline of snapshots{suffix}", _timeline(points)]
    blocks += [f"## Profile per phase{suffix}", _profile(process, phases)]
    tables = holdings.tables(report, process.pid, options.top)
    held = [block for title, rows in tables for block in _site_table(title, rows)]
    if held:
        blocks += [f"## What holds the memory{suffix}", *held]
    ledgers = {made.path: made for made in report.ledger or [] if made.pid == process.pid}
    top = [block for phase in phases for block in _phase(process, phase, ledgers.get(phase.path), options)]
    if top:
        blocks += [f"## Top allocations{suffix}", *top]
    return blocks


def _timeline(points: Sequence[results.TimelinePoint]) -> str:
    chosen = thin(points, _SNAPSHOTS)
    rows, before = [], None
    for point in chosen:
        change = "" if before is None else format_bytes(point.rss_bytes - before, signed=True)
        phase = f"`{point.phase}`" if point.phase else "outside any phase"
        rows.append([format_duration(point.at_ns), format_bytes(point.rss_bytes), change, phase])
        before = point.rss_bytes
    return table(["at", "RSS", "change", "phase"], rows, right=(0, 1, 2))


def thin(points: Sequence[results.TimelinePoint], limit: int) -> list[results.TimelinePoint]:
    """The first point, the last, and between them those that RSS moved most to, in order of time.

    Points that differ from the one before by less than half a percent of the highest are left out.
    """
    least = max(point.rss_bytes for point in points) / 200
    moves = {at: abs(points[at].rss_bytes - points[at - 1].rss_bytes) for at in range(1, len(points) - 1)}
    largest = sorted((at for at in moves if moves[at] >= least), key=lambda at: moves[at], reverse=True)
    kept = sorted({0, len(points) - 1, *largest[: limit - 2]})
    return [points[at] for at in kept]


def _profile(process: results.Process, phases: Sequence[results.Phase]) -> str:
    shown = columns.for_phases(phases)
    rows = []
    for row in columns.rows(process, phases, shown):
        depth = len(row.guide) // 2
        name = "&nbsp;&nbsp;" * depth + (f"`{row.name}`" if row.is_phase else f"*{row.name}*")
        rows.append([name, *row.cells])
    titles = ["phase", *(column.title for column in shown)]
    return table(titles, rows, right=range(1, len(titles)))


def _phase(
    process: results.Process, phase: results.Phase, ledger: results.Ledger | None, options: Options
) -> list[str]:
    tables = sites.tables(phase, options.top)
    if ledger is not None and (rows := holdings.ledger(ledger, process, options.top)):
        tables.insert(0, ("what its RSS change consists of", rows))
    if not tables:
        return []
    head = f"### {f'`{phase.path}`' if phase.path else 'Outside any phase'}"
    return [head, *(block for title, rows in tables for block in _site_table(title, rows))]


def _site_table(title: str, rows: Sequence[sites.Site]) -> list[str]:
    heads = [*[""] * len(rows[0].figures), title]
    return [table(heads, [[*row.figures, f"`{row.place}`"] for row in rows], right=range(len(heads) - 1))]


def _overhead(report: results.Report) -> list[str]:
    rows = [
        [cost.probe, format_count(cost.pid), format_duration(cost.wall_ns), format_bytes(cost.rss_bytes, signed=True)]
        for cost in report.overhead
    ]
    if not rows:
        return []
    heads = ["probe", "pid", "time at phase edges, start and stop", "RSS left behind"]
    return ["## What the measuring cost", table(heads, rows, right=(1, 2, 3))]


def _notes(report: results.Report) -> list[str]:
    info = report.trace
    notes = [*info.notes]
    if info.lost_records:
        notes.insert(0, f"{format_count(info.lost_records)} records were lost.")
    if info.damaged_bytes:
        notes.insert(0, f"{format_count(info.damaged_bytes)} bytes of the trace are damaged and were passed over.")
    return ["## Notes", "\n".join(f"- {note}" for note in notes)] if notes else []


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    r"""A table in markdown.

    Args:
        heads: a title a column.
        rows: the cells; a bar in one is escaped.
        right: numbers of the columns that are set to the right.

    >>> print(table(["what", "size"], [["a|b", "1 kB"]], right=[1]))
    | what | size |
    | --- | ---: |
    | a\\|b | 1 kB |
    """
    rule = ["---:" if number in right else "---" for number in range(len(heads))]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [heads, rule, *escaped])
