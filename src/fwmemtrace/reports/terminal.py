"""The text report: as wide as the terminal, with colours where it has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from .. import results
from .base import Options
from .blocks import (
    Alarm,
    Block,
    Code,
    Command,
    Document,
    Guide,
    Inline,
    Listing,
    Prose,
    Sentence,
    Table,
    command_lines,
    parts,
)
from .console import printed
from .document import document_of
from .fitting import (
    GAP,
    AlarmText,
    FittedTable,
    TextTable,
    fit,
    fit_names,
    is_of_figures,
    shortened,
    text_table,
    written,
)

_MIN_NAME = 8  # characters of a name beside figures
_MOST_LINES = 2  # of one name, in a sentence or cell
_NAME = "cyan"
_ALARM = "bold red"


class TerminalReport:
    """Writes plain text."""

    def render(self, report: results.TraceReport, options: Options) -> str:
        """Returns the report; a terminal has no room for the timeline."""
        return write_text(document_of(report, options, timeline=False), options)


def write_text(document: Document, options: Options) -> str:
    """Returns a document as lines of text, none of them wider than the terminal; its title is left out."""

    def draw(console: Console) -> None:
        for number, section in enumerate(document.sections):
            if number:
                console.print()
            style = "bold underline" if section.level <= 2 else "bold"
            title = shortened(written(section.title, console.width), console.width)
            if title:
                console.print(Text(title, style=style), no_wrap=True)
            _write_blocks(console, section.blocks, indent=0 if section.level <= 2 else 2)

    return printed(options, draw)


def _write_blocks(console: Console, blocks: Sequence[Block], indent: int) -> None:
    for number, block in enumerate(blocks):
        match block:
            case Prose(sentences=sentences):
                console.print(Text(" ").join(_text(sentence, console) for sentence in sentences))
            case Table():
                if number and isinstance(blocks[number - 1], Table):
                    console.print()
                _write_table(console, block, indent)
            case Listing():
                _write_listing(console, block)
            case Command():
                for line in command_lines(block, console.width):
                    console.print(Text(line, style=_NAME), soft_wrap=True)


def _text(sentence: Sentence, console: Console) -> Text:
    """Returns a sentence with its names in colour, and no name too long to read."""
    text = Text()
    for part in parts(sentence):
        text.append(written(part, _MOST_LINES * console.width), _style(part))
    return text


def _style(part: Inline) -> str:
    match part:
        case Code():
            return _NAME
        case Guide():
            return "dim"
        case Alarm():
            return _ALARM
        case _:
            return ""


def _write_listing(console: Console, listing: Listing) -> None:
    lines = RichTable.grid(padding=(0, 1))
    for number, item in enumerate(listing.items, 1):
        lines.add_row(f"{number}." if listing.ordered else "-", _text(item, console))
    console.print(lines)


def _write_table(console: Console, table: Table, indent: int) -> None:
    if table.title:
        title = written(table.title, _MOST_LINES * console.width)
        console.print(Padding(Text(title, style="dim"), (0, 0, 0, indent)))
        indent += 2
    width = console.width - indent
    text = text_table(table, _MOST_LINES * width)
    if is_of_figures(text):
        for number, part in enumerate(fit(text, width)):
            if number:
                console.print()
            _write_fitted(console, part, indent)
        return
    last = len(text.heads) - 1
    trees = {at for at in range(last + 1) if _is_tree(table, at)}
    fitted = fit_names(text, width, trees)
    if fitted is not None:
        _write_fitted(console, fitted, indent, wraps=None if last in trees or last in text.right else last)
    else:
        _write_with_text_below(console, text, indent)


def _is_tree(table: Table, at: int) -> bool:
    return any(isinstance(part, Guide) and part.text for row in table.rows for part in parts(row[at]))


def _write_fitted(console: Console, part: FittedTable, indent: int, wraps: int | None = None) -> None:
    """A table whose names are shortened to the width of their column, but for the column that wraps."""
    drawn = _rich_table(part.table, part.gap)
    for at, (head, width) in enumerate(zip(part.table.heads, part.widths, strict=True)):
        drawn.add_column(Text(head), justify=_justify(part.table, at), width=width, no_wrap=at != wraps)
    for row in part.table.rows:
        drawn.add_row(
            *(
                Text(cell if at == wraps else shortened(cell, width), _ALARM if isinstance(cell, AlarmText) else "")
                for at, (cell, width) in enumerate(zip(row, part.widths, strict=True))
            )
        )
    console.print(Padding(drawn, (0, 0, 0, indent)))


def _write_with_text_below(console: Console, table: TextTable, indent: int) -> None:
    """Rows whose last cell is a long text, which goes below its row over the whole width."""
    if len(table.heads) - 1 in table.right:
        _write_stacked(console, table, indent)
        return
    widths = table.widths[:-1]
    names = [at for at in range(len(widths)) if at not in table.right]
    over = sum(widths) + GAP * (len(widths) - 1) + indent - console.width
    while over > 0 and names and max(widths[at] for at in names) > _MIN_NAME:
        widths[max(names, key=lambda at: widths[at])] -= 1
        over -= 1
    if over > 0:
        _write_stacked(console, table, indent)
        return

    def line(cells: Sequence[str], style: str = "") -> None:
        shown = []
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            text = Text(shortened(cell, width), _ALARM if isinstance(cell, AlarmText) else style)
            text.align("right" if at in table.right else "left", width)
            shown.append(text)
        row = Text(" " * GAP).join(shown)
        row.no_wrap = True
        console.print(Padding(row, (0, 0, 0, indent)))

    if any(table.heads):
        for heads in zip(*(head.split("\n") for head in table.heads[:-1]), strict=True):
            line(heads, "bold")
    for row in table.rows:
        line(row[:-1])
        cut = [row[at] for at in names if Text(row[at]).cell_len > widths[at]]
        below = ": ".join([*cut, row[-1]]) if row[-1] else ", ".join(cut)
        if below:
            console.print(Padding(Text(below, style="dim"), (0, 0, 0, indent + 4)))


def _write_stacked(console: Console, table: TextTable, indent: int) -> None:
    """Rows that have no room for their figures side by side: a line for each cell."""
    heads = [head.replace("\n", " ").strip() for head in table.heads]
    for row in table.rows:
        for at, (head, cell) in enumerate(zip(heads, row, strict=True)):
            if cell:
                text = f"{head}: {cell}" if head and at else cell
                console.print(Padding(Text(text), (0, 0, 0, indent + (2 if at else 0))))


def _rich_table(table: TextTable, gap: int) -> RichTable:
    return RichTable(
        box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold", show_header=any(table.heads)
    )


def _justify(table: TextTable, at: int) -> Literal["right", "left"]:
    return "right" if at in table.right else "left"
