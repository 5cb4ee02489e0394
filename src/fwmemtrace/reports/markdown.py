"""The markdown report: for an issue, a wiki page or a file kept beside each release."""

from __future__ import annotations

from collections.abc import Sequence

from .. import results
from .base import Options
from .document import sections_of, title_of
from .sections import Grid, Section


class MarkdownReport:
    """Writes the sections that the firewall's team had."""

    def render(self, report: results.TraceReport, options: Options) -> str:
        return write_markdown(title_of(report), sections_of(report, options))


def write_markdown(title: str, sections: Sequence[Section]) -> str:
    """Sections as a page."""
    blocks = [f"# {title}"]
    for section in sections:
        blocks.append(f"{'#' * section.level} {section.title}")
        if section.sentences:
            blocks.append(" ".join(section.sentences))
        for grid in section.grids:
            if grid.title:
                blocks.append(f"**{grid.title}**")
            blocks.append(_table(grid))
        if section.items:
            blocks.append("\n".join(f"{number}. {item}" for number, item in enumerate(section.items, 1)))
    return "\n\n".join(blocks) + "\n"


def _table(grid: Grid) -> str:
    rule = ["---:" if number in grid.right else "---" for number in range(len(grid.heads))]
    rows = [[_cell(cell) for cell in row] for row in grid.rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [grid.heads, rule, *rows])


def _cell(text: str) -> str:
    """The blanks that a tree is set in by would be lost, and a bar would end the cell."""
    inset = len(text) - len(text.lstrip(" │"))
    return (text[:inset].replace(" ", "&nbsp;") + text[inset:]).replace("|", "\\|")
