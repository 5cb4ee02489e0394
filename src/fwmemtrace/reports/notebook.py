"""What a notebook shows of a trace below a cell: a fragment of HTML without scripts or style sheets of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from .. import results
from ..units import format_bytes, format_duration
from .blocks import Alarm, Block, Code, Guide, Inline, Prose, Sentence, Table, inline_text, parts
from .phase_table import phase_table
from .summary import summary_section
from .visible import visible

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 760, 140, 70, 18
_MOST_PHASES = 200
_RIGHT = "text-align:right;white-space:nowrap;padding:0 .6em"
_LEFT_CELL = "text-align:left;white-space:nowrap;padding:0 .6em;max-width:40em;overflow:hidden;text-overflow:ellipsis"


def notebook_html(report: results.TraceReport) -> str:
    """Returns the summary, RSS over time and the table of phases of each process."""
    shown = list(map(_block, summary_section(report).blocks))
    for process in report.trace.processes:
        phases = [row for row in report.phases if row.pid == process.pid]
        points = [point for point in report.timeline if point.pid == process.pid]
        shown += [_curve(process, points), _block(phase_table(process, phases[:_MOST_PHASES]))]
    return f"<div>{''.join(shown)}</div>"


def _block(block: Block) -> str:
    match block:
        case Prose(sentences=sentences):
            return f'<p style="overflow-wrap:anywhere">{" ".join(map(_inline, sentences))}</p>'
        case Table():
            return _table(block)
        case _:
            return ""


def _table(table: Table) -> str:
    styles = [_RIGHT if column.align == "right" else _LEFT_CELL for column in table.columns]
    head = _row("th", [column.title for column in table.columns], styles)
    body = "".join(_row("td", row, styles) for row in table.rows)
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def _row(tag: str, cells: Iterable[Sentence], styles: Iterable[str]) -> str:
    written = (f'<{tag} style="{style}">{_inline(cell)}</{tag}>' for cell, style in zip(cells, styles, strict=True))
    return f"<tr>{''.join(written)}</tr>"


def _inline(sentence: Sentence) -> str:
    return "".join(map(_part, parts(sentence)))


def _part(part: Inline) -> str:
    text = escape(inline_text(part))
    match part:
        case Code():
            return f'<code style="unicode-bidi:isolate">{text}</code>'
        case Guide():
            return f'<span style="white-space:pre;font-family:monospace">{text}</span>'
        case Alarm():
            return f'<strong style="color:#c62828">{text}</strong>'
        case _:
            return text


def _curve(process: results.Process, points: Sequence[results.TimelinePoint]) -> str:
    """Returns RSS over time as SVG."""
    if len(points) < 2:
        return ""
    first, last = points[0].at_ns, max(point.at_ns for point in points)
    top = max(process.peak_bytes, 1) * 1.05

    def x(at_ns: int) -> float:
        return _LEFT + (at_ns - first) / max(last - first, 1) * (_WIDTH - _LEFT - 8)

    def y(size: float) -> float:
        return _HEIGHT - _BOTTOM - size / top * (_HEIGHT - _BOTTOM - 8)

    line = " ".join(f"{x(point.at_ns):.1f},{y(point.rss_bytes):.1f}" for point in points)
    peak = y(process.peak_bytes)
    label = escape(visible(f"RSS of process {process.pid} over time"))
    text = 'font-size="11" fill="gray"'
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" aria-label="{label}">'
        f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y(0):.1f}" y2="{y(0):.1f}" stroke="gray"/>'
        f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{peak:.1f}" y2="{peak:.1f}" stroke="gray" stroke-dasharray="4 4"/>'
        f'<text x="{_LEFT - 6}" y="{peak + 4:.1f}" text-anchor="end" {text}>{format_bytes(process.peak_bytes)}</text>'
        f'<text x="{_WIDTH - 8}" y="{_HEIGHT - 4}" text-anchor="end" {text}>{format_duration(last - first)}</text>'
        f'<polyline points="{line}" fill="none" stroke="#2f6fde" stroke-width="1.5"/></svg>'
    )
