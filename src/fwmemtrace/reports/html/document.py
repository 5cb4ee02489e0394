"""A document as a page: tables and prose, and RSS over time as a curve."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape

from ...units import format_bytes, format_duration
from ..blocks import (
    Block,
    Chart,
    Code,
    Command,
    Document,
    Drawing,
    Guide,
    Inline,
    Listing,
    Prose,
    Section,
    Sentence,
    Table,
    command_lines,
    inline_text,
    parts,
    plain,
)
from ..visible import visible

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 960, 240, 80, 24
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #888; --curve: #2f6fde; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0 1.25rem; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem 1.25rem .15rem 0; text-align: left; vertical-align: top; }
th { border-bottom: 1px solid var(--line); vertical-align: bottom; }
tbody tr:hover { background: #8881; }
caption { width: 0; white-space: nowrap; text-align: left; color: var(--dim); }
.right { text-align: right; white-space: nowrap; }
td:first-child:not(.right) { white-space: nowrap; max-width: 40rem; overflow: hidden; text-overflow: ellipsis; }
code, .guide { font-family: ui-monospace, monospace; font-size: .9em; unicode-bidi: isolate; }
code { overflow-wrap: anywhere; white-space: pre-wrap; } td:first-child:not(.right) code { white-space: pre; }
.guide { white-space: pre; color: var(--dim); }
svg { width: 100%; height: auto; } svg text { font-size: 12px; fill: var(--dim); }
"""


def write_html(document: Document) -> str:
    """Returns a document as a page."""
    title = escape(plain(document.title))
    body = f"<h1>{write_inline(document.title)}</h1>\n{write_sections(document.sections)}"
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def write_sections(sections: Iterable[Section]) -> str:
    """Returns sections as markup for a page."""
    return "\n".join(map(_section, sections))


def _section(section: Section) -> str:
    heading = f"<h{section.level}>{write_inline(section.title)}</h{section.level}>" if section.title else ""
    blocks = "\n".join(_block(block) for block in section.blocks)
    return f'<section id="{escape(section.id)}">{heading}\n{blocks}\n</section>'


def _block(block: Block) -> str:
    match block:
        case Prose(sentences=sentences):
            return f"<p>{' '.join(f'<span>{write_inline(sentence)}</span>' for sentence in sentences)}</p>"
        case Table():
            return _table(block)
        case Listing(items=items, ordered=ordered):
            tag = "ol" if ordered else "ul"
            return f"<{tag}>{''.join(f'<li>{write_inline(item)}</li>' for item in items)}</{tag}>"
        case Command():
            return f"<pre>{escape(' '.join(command_lines(block)))}</pre>"
        case Chart():
            return _curve(block)
        case Drawing(title=title, svg=svg):
            return f"<figure><figcaption>{write_inline(title)}</figcaption>{svg}</figure>"


def _table(table: Table) -> str:
    classes = [' class="right"' if column.align == "right" else "" for column in table.columns]
    caption = f"<caption>{write_inline(table.title)}</caption>" if table.title else ""
    titles = [column.title for column in table.columns]
    head = f"<thead>{_row('th', titles, classes)}</thead>" if any(titles) else ""
    body = "\n".join(_row("td", row, classes) for row in table.rows)
    return f'<div class="wide"><table>{caption}{head}<tbody>{body}</tbody></table></div>'


def _row(tag: str, cells: Sequence[Sentence], classes: Sequence[str]) -> str:
    written = (f"<{tag}{kind}>{write_inline(cell)}</{tag}>" for cell, kind in zip(cells, classes, strict=True))
    return f"<tr>{''.join(written)}</tr>"


def write_inline(sentence: Sentence) -> str:
    """Returns a sentence or cell as markup."""
    return "".join(map(_part, parts(sentence)))


def _part(part: Inline) -> str:
    text = escape(inline_text(part))
    match part:
        case Code():
            return f"<code>{text}</code>"
        case Guide():
            return f'<span class="guide">{text}</span>'
        case _:
            return text


def _curve(chart: Chart) -> str:
    points, process = chart.points, chart.process
    if len(points) < 2:
        return ""
    first, last = points[0].at_ns, max(point.at_ns for point in points)
    top = max([process.peak_bytes, *(size for _, size in chart.levels), 1]) * 1.05

    def x(at_ns: int) -> float:
        return _LEFT + (at_ns - first) / max(last - first, 1) * (_WIDTH - _LEFT - 8)

    def y(size: float) -> float:
        return _HEIGHT - _BOTTOM - size / top * (_HEIGHT - _BOTTOM - 8)

    line = " ".join(f"{x(point.at_ns):.1f},{y(point.rss_bytes):.1f}" for point in points)
    levels = "".join(_level(name, size, y) for name, size in chart.levels)
    hovers = "".join(
        f'<circle cx="{x(point.at_ns):.1f}" cy="{y(point.rss_bytes):.1f}" r="5" fill="transparent"><title>'
        f"{format_duration(point.at_ns)}: {format_bytes(point.rss_bytes)} "
        f"{escape(visible(point.phase or 'outside any phase'))}</title></circle>"
        for point in points
    )
    axis = f'<text x="{_LEFT}" y="{_HEIGHT - 6}">0</text>'
    axis += f'<text x="{_WIDTH - 8}" y="{_HEIGHT - 6}" text-anchor="end">{format_duration(last - first)}</text>'
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="RSS of process {process.pid} over time">'
        f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y(0):.1f}" y2="{y(0):.1f}" stroke="var(--dim)"/>'
        f'{levels}<polyline points="{line}" fill="none" stroke="var(--curve)" stroke-width="2"/>'
        f"{hovers}{axis}</svg>"
    )


def _level(name: str, size: int, y: Callable[[float], float]) -> str:
    at = y(size)
    return (
        f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{at:.1f}" y2="{at:.1f}" stroke="var(--dim)" stroke-dasharray="4 4"/>'
        f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{format_bytes(size)}</text>'
        f'<text x="{_WIDTH - 8}" y="{at - 4:.1f}" text-anchor="end">{escape(name)}</text>'
    )
