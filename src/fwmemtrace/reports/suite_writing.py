"""Writes a suite's report, or any sections, as markdown and as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ..analysis import results
from ..analysis.suite_results import Suite
from .base import Options
from .sections import Grid, Section
from .suite_sections import suite_sections


def suite_markdown(report: results.Report, suite: Suite, options: Options) -> str:
    """The report of a suite as a markdown page."""
    return as_markdown("Memory report of a suite", [*suite_sections(suite, top=options.top), *_notes(report)])


def suite_text(report: results.Report, suite: Suite, options: Options) -> str:
    """The report of a suite as plain text."""
    return as_text([*suite_sections(suite, top=options.top), *_notes(report)], options.width)


def _notes(report: results.Report) -> list[Section]:
    return [Section("Notes", items=list(report.trace.notes))] if report.trace.notes else []


def as_markdown(title: str, sections: Sequence[Section]) -> str:
    """The sections as a markdown page."""
    blocks = [f"# {title}"]
    for section in sections:
        blocks.append(f"{'#' * section.level} {section.title}")
        if section.sentences:
            blocks.append(" ".join(section.sentences))
        for grid in section.grids:
            if grid.title:
                blocks.append(f"**{grid.title}**")
            blocks.append(_markdown_table(grid))
        if section.items:
            blocks.append("\n".join(f"{number}. {item}" for number, item in enumerate(section.items, 1)))
    return "\n\n".join(blocks) + "\n"


def _markdown_table(grid: Grid) -> str:
    from .markdown import table

    return table(grid.heads, grid.rows, right=grid.right)


def as_text(sections: Sequence[Section], width: int) -> str:
    """The sections as plain text, each line at most `width` characters long where its words allow it."""
    lines: list[str] = []
    for section in sections:
        if lines:
            lines.append("")
        lines += [section.title, ("=" if section.level <= 2 else "-") * len(section.title)]
        if section.sentences:
            lines += textwrap.wrap(" ".join(section.sentences).replace("`", ""), width)
        for grid in section.grids:
            lines.append("")
            if grid.title:
                lines.append(grid.title)
            lines += _text_table(grid, width)
        for number, item in enumerate(section.items, 1):
            head = f"{number}. "
            lines += textwrap.wrap(item.replace("`", ""), width, initial_indent=head, subsequent_indent=" " * len(head))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _text_table(grid: Grid, width: int) -> list[str]:
    """Columns as wide as their cells; what does not fit into the last one goes below its row, set in."""
    columns = len(grid.heads)
    wide = [max(len(row[at]) for row in [grid.heads, *grid.rows]) for at in range(columns)]
    room = width - sum(wide[:-1]) - 2 * (columns - 1)
    below = wide[-1] > room and columns - 1 not in grid.right
    shown = columns - 1 if below and room < wide[-1] else columns
    lines = [_line(grid.heads[:shown], wide, grid.right)]
    for row in grid.rows:
        lines.append(_line(row[:shown], wide, grid.right))
        for cell in row[shown:]:
            lines += textwrap.wrap(cell, max(width - 4, 20), initial_indent="    ", subsequent_indent="    ")
    return lines


def _line(cells: Sequence[str], wide: Sequence[int], right: Sequence[int]) -> str:
    padded = (cell.rjust(wide[at]) if at in right else cell.ljust(wide[at]) for at, cell in enumerate(cells))
    return "  ".join(padded).rstrip()
