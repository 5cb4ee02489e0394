"""The HTML report: one file that needs nothing else, with RSS over time as a curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from .. import results
from ..units import format_bytes, format_duration
from .base import Options
from .document import sections_of, title_of
from .sections import Grid, Section

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 960, 240, 80, 24
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #888; --curve: #2f6fde; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; margin: .5rem 0 1.25rem; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .75rem .15rem 0; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { border-bottom: 1px solid var(--line); }
caption { width: 0; white-space: nowrap; text-align: left; color: var(--dim); }
.right { text-align: right; white-space: nowrap; } .tree { white-space: pre; }
code, .tree { font-family: ui-monospace, monospace; font-size: .9em; }
svg { width: 100%; height: auto; } svg text { font-size: 12px; fill: var(--dim); }
"""


class HtmlReport:
    """Writes a page with the same sections as the markdown report, and a curve for each process."""

    def render(self, report: results.TraceReport, options: Options) -> str:
        title = title_of(report)
        body = [f"<h1>{title}</h1>"]
        for section in sections_of(report, options):
            body.append(_section(section))
            if section.title == "Executive summary" and report.suite is None:
                body += [_curve(report, process) for process in report.trace.processes]
        head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        return (
            f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(body) + "\n</body></html>\n"
        )


def _section(section: Section) -> str:
    parts = [f"<h{section.level}>{_inline(section.title)}</h{section.level}>"]
    if section.sentences:
        parts.append(f"<p>{_inline(' '.join(section.sentences))}</p>")
    parts += [_table(grid) for grid in section.grids]
    if section.items:
        parts.append("<ol>" + "".join(f"<li>{_inline(item)}</li>" for item in section.items) + "</ol>")
    return "\n".join(parts)


def _table(grid: Grid) -> str:
    classes = ["right" if at in grid.right else "" for at in range(len(grid.heads))]
    if len(grid.right) == len(grid.heads) - 1 and 0 not in grid.right:
        classes[0] = "tree"
    caption = f"<caption>{_inline(grid.title)}</caption>" if grid.title else ""
    head = _row("th", grid.heads, classes) if any(grid.heads) else ""
    return f"<table>{caption}{head}" + "".join(_row("td", row, classes) for row in grid.rows) + "</table>"


def _row(tag: str, cells: Sequence[str], classes: Sequence[str]) -> str:
    made = (
        f'<{tag} class="{kind}">{_inline(cell)}</{tag}>' if kind else f"<{tag}>{_inline(cell)}</{tag}>"
        for cell, kind in zip(cells, classes, strict=True)
    )
    return "<tr>" + "".join(made) + "</tr>"


def _inline(text: str) -> str:
    """Text with its names in backticks as code; whatever else it holds is shown, not obeyed."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def _curve(report: results.TraceReport, process: results.Process) -> str:
    points = [point for point in report.timeline if point.pid == process.pid]
    if len(points) < 2:
        return ""
    first, last = points[0].at_ns, max(point.at_ns for point in points)
    top = max(process.peak_bytes, report.budget.limit_bytes if report.budget else 0) * 1.05

    def x(at_ns: int) -> float:
        return _LEFT + (at_ns - first) / max(last - first, 1) * (_WIDTH - _LEFT - 8)

    def y(size: float) -> float:
        return _HEIGHT - _BOTTOM - size / top * (_HEIGHT - _BOTTOM - 8)

    line = " ".join(f"{x(point.at_ns):.1f},{y(point.rss_bytes):.1f}" for point in points)
    marks = [_level(process.peak_bytes, "peak", y)]
    if report.budget is not None:
        marks.append(_level(report.budget.limit_bytes, "budget", y))
    hovers = "".join(
        f'<circle cx="{x(point.at_ns):.1f}" cy="{y(point.rss_bytes):.1f}" r="5" fill="transparent"><title>'
        f"{format_duration(point.at_ns)}: {format_bytes(point.rss_bytes)} {escape(point.phase or 'outside any phase')}"
        "</title></circle>"
        for point in points
    )
    axis = f'<text x="{_LEFT}" y="{_HEIGHT - 6}">0</text>'
    axis += f'<text x="{_WIDTH - 8}" y="{_HEIGHT - 6}" text-anchor="end">{format_duration(last - first)}</text>'
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="resident memory of process {process.pid}">'
        f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y(0):.1f}" y2="{y(0):.1f}" stroke="var(--dim)"/>'
        f'{"".join(marks)}<polyline points="{line}" fill="none" stroke="var(--curve)" stroke-width="2"/>'
        f"{hovers}{axis}</svg>"
    )


def _level(size: int, name: str, y: Callable[[float], float]) -> str:
    at = y(size)
    return (
        f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{at:.1f}" y2="{at:.1f}" stroke="var(--dim)" stroke-dasharray="4 4"/>'
        f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{format_bytes(size)}</text>'
        f'<text x="{_WIDTH - 8}" y="{at - 4:.1f}" text-anchor="end">{name}</text>'
    )
