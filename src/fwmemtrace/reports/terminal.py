"""The text report: sized to the terminal, with colours where it has them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .. import results
from .base import Options
from .document import sections_of
from .fitting import Fitted, fit, is_of_figures
from .sections import Grid, Section

_ROOM_FOR_TEXT = 30  # characters: a last column of text that is left less goes below its row


class TerminalReport:
    """Writes plain text: a tree of phases, then the top allocation sites of each."""

    def render(self, report: results.TraceReport, options: Options) -> str:
        return write_text(sections_of(report, options, timeline=False), options)


def write_text(sections: list[Section], options: Options) -> str:
    """Sections as lines of text, none of them wider than the terminal."""
    console = Console(
        file=io.StringIO(),
        width=options.width,
        force_terminal=options.colour,
        no_color=not options.colour,
        highlight=False,
    )
    for number, section in enumerate(sections):
        if number:
            console.print()
        _write_section(console, section)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _write_section(console: Console, section: Section) -> None:
    style = "bold underline" if section.level <= 2 else "bold"
    console.print(Text(_plain(section.title), style=style), no_wrap=True, overflow="ellipsis")
    if section.sentences:
        console.print(Text(_plain(" ".join(section.sentences))))
    for number, grid in enumerate(section.grids):
        if grid.title:
            if number and section.level <= 2:
                console.print()
            console.print(Padding(Text(_plain(grid.title), style="dim"), (0, 0, 0, 2)))
        _write_grid(console, grid, 4 if grid.title else 0)
    for number, item in enumerate(section.items, 1):
        table = Table.grid(padding=(0, 1))
        table.add_row(f"{number}.", Text(_plain(item)))
        console.print(table)


def _write_grid(console: Console, grid: Grid, indent: int) -> None:
    if is_of_figures(grid):
        for number, part in enumerate(fit(grid, console.width - indent)):
            if number:
                console.print()
            _write_figures(console, part, indent)
        return
    last = len(grid.heads) - 1
    widths = [max(len(_plain(row[at])) for row in [grid.heads, *grid.rows]) for at in range(last + 1)]
    room = console.width - indent - sum(widths[:-1]) - 2 * last
    below = last > 0 and last not in grid.right and room < min(widths[-1], _ROOM_FOR_TEXT)
    if below:
        _write_with_text_below(console, grid, widths, indent)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=any(grid.heads))
    for at, head in enumerate(grid.heads):
        figures = at in grid.right
        table.add_column(head, justify="right" if figures else "left", no_wrap=figures, overflow="fold")
    for row in grid.rows:
        table.add_row(*(Text(_plain(cell)) for cell in row))
    console.print(Padding(table, (0, 0, 0, indent)))


def _write_figures(console: Console, part: Fitted, indent: int) -> None:
    """A table of figures. Its first column is a name or a tree: that loses its end before a figure loses anything."""
    grid, gap, widths = part
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold", show_header=any(grid.heads))
    for at, (head, width) in enumerate(zip(grid.heads, widths, strict=True)):
        justify: Literal["right", "left"] = "right" if at in grid.right else "left"
        table.add_column(head, justify=justify, vertical="bottom", width=width, no_wrap=True, overflow="ellipsis")
    for row in grid.rows:
        table.add_row(*(Text(_plain(cell)) for cell in row))
    console.print(Padding(table, (0, 0, 0, indent)))


def _write_with_text_below(console: Console, grid: Grid, widths: list[int], indent: int) -> None:
    """Rows whose last cell is text of some length: it goes below its row, over the whole width."""
    widths = widths[:-1]
    names = [at for at in range(len(widths)) if at not in grid.right]
    over = sum(widths) + 2 * (len(widths) - 1) + indent - console.width
    while over > 0 and names and max(widths[at] for at in names) > 8:
        widest = max(names, key=lambda at: widths[at])
        widths[widest] -= 1
        over -= 1

    def line(cells: Sequence[str]) -> str:
        shown = (
            cell if len(cell) <= width else cell[: width - 1] + "…" for cell, width in zip(cells, widths, strict=True)
        )
        return "  ".join(
            cell.rjust(widths[at]) if at in grid.right else cell.ljust(widths[at]) for at, cell in enumerate(shown)
        )

    if any(grid.heads):
        console.print(Padding(Text(line(grid.heads[:-1]), style="bold", no_wrap=True), (0, 0, 0, indent)))
    for row in grid.rows:
        console.print(Padding(Text(line([_plain(cell) for cell in row[:-1]]), no_wrap=True), (0, 0, 0, indent)))
        cut = [_plain(row[at]) for at in names if len(_plain(row[at])) > widths[at]]
        below = ": ".join([*cut, _plain(row[-1])]) if row[-1] else ", ".join(cut)
        if below:
            console.print(Padding(Text(below, style="dim"), (0, 0, 0, indent + 4)))


def _plain(text: str) -> str:
    return text.replace("`", "")
