"""Makes a table fit a width. Names may lose their middle, figures lose nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len, set_cell_size

from .blocks import Alarm, Code, Sentence, Table, inline_text, parts

GAP = 2  # blanks between two columns
_MIN_NAME = 16  # characters
_MIN_TEXT = 30  # characters of a last column that wraps
_MOST_LINES = 4  # of a last column that wraps; longer text goes below its row
_GUIDES = "│├└ "


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table whose cells are text already.

    Attributes:
        heads: a title for each column.
        rows: a cell for each column.
        right: numbers of the columns that are aligned to the right.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[int]

    @property
    def widths(self) -> list[int]:
        """The width of each column, in terminal cells."""
        return [
            max(cell_len(line) for cell in (head, *(row[at] for row in self.rows)) for line in cell.split("\n"))
            for at, head in enumerate(self.heads)
        ]


@dataclass(frozen=True, slots=True)
class FittedTable:
    """A table that fits.

    Attributes:
        table: its heads may have more than one line.
        gap: blanks between two columns.
        widths: of its columns, in terminal cells.
    """

    table: TextTable
    gap: int
    widths: list[int]


def shortened(text: str, width: int) -> str:
    """Returns a text that is at most so wide, without its middle if need be; the lines of a tree before it stay.

    >>> shortened("│ └ sentence_transformers.backend.load", 21)
    '│ └ sentence…end.load'
    """
    if cell_len(text) <= width:
        return text
    name = text.lstrip(_GUIDES)
    guides = text[: len(text) - len(name)]
    room = width - len(guides) - 1
    if room < 2:
        return set_cell_size(text, width)
    end = set_cell_size(name[::-1], room // 2).strip()[::-1]
    return f"{guides}{set_cell_size(name, room - room // 2).rstrip()}…{end}"


def written(sentence: Sentence, most: int) -> str:
    """Returns a sentence or cell as plain text, with no name longer than `most` characters."""
    return "".join(
        shortened(inline_text(part), most) if isinstance(part, Code) else inline_text(part) for part in parts(sentence)
    )


class AlarmText(str):
    """The text of a cell that calls for action."""

    __slots__ = ()


def _cell_text(cell: Sentence, most: int) -> str:
    text = written(cell, most)
    return AlarmText(text) if any(isinstance(part, Alarm) for part in parts(cell)) else text


def text_table(table: Table, most: int) -> TextTable:
    """Returns a table with its cells written out, and no name in them longer than `most` characters."""
    return TextTable(
        [written(column.title, most) for column in table.columns],
        [[_cell_text(cell, most) for cell in row] for row in table.rows],
        frozenset(at for at, column in enumerate(table.columns) if column.align == "right"),
    )


def is_of_figures(table: TextTable) -> bool:
    """Returns whether a table has names in its first column and figures in all others."""
    return len(table.heads) > 1 and table.right == set(range(1, len(table.heads)))


def with_broken_heads(table: TextTable) -> TextTable:
    """Returns a table in which heads that are wider than the figures below them have a line for each word."""
    below = replace(table, heads=[""] * len(table.heads)).widths
    heads = [
        head.replace(" ", "\n") if at in table.right and cell_len(head) > below[at] else head
        for at, head in enumerate(table.heads)
    ]
    lines = max(head.count("\n") for head in heads)
    return replace(table, heads=["\n" * (lines - head.count("\n")) + head for head in heads])


def fit(table: TextTable, width: int) -> list[FittedTable]:
    r"""Returns a table of figures as it is, with heads of several lines, with less space, or as several tables.

    Args:
        table: see `is_of_figures`.
        width: in terminal cells.

    >>> wide = TextTable(("phase", "RSS change", "time"), [("load", "+1.2 MB", "3.4 s")], frozenset({1, 2}))
    >>> [(part.table.heads, part.gap) for part in fit(wide, 30)]
    [(('phase', 'RSS change', 'time'), 2)]
    >>> [part.table.heads for part in fit(wide, 20)]
    [['\nphase', 'RSS\nchange', '\ntime']]
    >>> [part.table.rows for part in fit(wide, 15)]
    [[('load', '+1.2 MB')], [('load', '3.4 s')]]
    """
    if _needed(table, GAP) <= width:
        return [_fitted(table, GAP, width)]
    table = with_broken_heads(table)
    for gap in (GAP, 1):
        if _needed(table, gap) <= width:
            return [_fitted(table, gap, width)]
    if _needed(table, 1, _MIN_NAME) <= width:
        return [_fitted(table, 1, width)]
    return [_fitted(part, GAP, width) for part in _split(table, width)]


def fit_names(table: TextTable, width: int, trees: Collection[int]) -> FittedTable | None:
    r"""Returns a table as it is, with heads of several lines, with shorter names, or with less space between columns.

    There is None if its figures do not fit.

    Args:
        table: its last column is text that may wrap, unless it is a tree or figures.
        width: in terminal cells.
        trees: the columns that are trees.

    >>> tree = TextTable(("total", "module"), [("1.2 MB", "└ transformers.modeling_rope_utils")], frozenset({0}))
    >>> fit_names(tree, 28, {1}).widths, fit_names(tree, 20, {1})
    ([6, 20], None)
    >>> two = TextTable(("component", "phase", "RSS"), [("guard", "init", "+1.2 MB")], frozenset({2}))
    >>> fit_names(two, 25, ()).gap, fit_names(two, 23, ()).gap
    (2, 1)
    """
    last = len(table.heads) - 1
    for candidate in (table, narrow := with_broken_heads(table)):
        if _total(candidate.widths, GAP) <= width:
            return FittedTable(candidate, GAP, candidate.widths)
    for candidate in (table, narrow) if last not in table.right else ():
        *others, needed = candidate.widths
        room = width - _total([*others, 0], GAP)
        if room >= (min(needed, max(_MIN_TEXT, needed // _MOST_LINES)) if last else 1):
            return FittedTable(candidate, GAP, [*others, room])
    if last not in table.right and last not in trees:
        return None
    names = [at for at in range(len(table.heads)) if at not in table.right]
    for gap in (GAP, 1) if names else ():
        widths = narrow.widths
        while _total(widths, gap) > width and max(widths[at] for at in names) > _MIN_NAME:
            widths[max(names, key=lambda at: widths[at])] -= 1
        if _total(widths, gap) <= width:
            return FittedTable(narrow, gap, widths)
    return None


def _split(table: TextTable, width: int) -> Iterator[TextTable]:
    """Yields tables of as many columns as fit, at least one; the first column, the names, is in all of them."""
    table = replace(table, heads=[head.replace("\n", " ").strip() for head in table.heads])
    chosen: list[int] = []
    for at in range(1, len(table.heads)):
        if chosen and _needed(_columns(table, [*chosen, at]), GAP, _MIN_NAME) > width:
            yield _columns(table, chosen)
            chosen = []
        chosen.append(at)
    yield _columns(table, chosen)


def _columns(table: TextTable, chosen: Sequence[int]) -> TextTable:
    """Returns some of the columns, without the rows that are empty in all of them."""
    rows = [(row[0], *(row[at] for at in chosen)) for row in table.rows if any(row[at] for at in chosen)]
    heads = (table.heads[0], *(table.heads[at] for at in chosen))
    return TextTable(heads, rows, frozenset(range(1, len(chosen) + 1)))


def _fitted(table: TextTable, gap: int, width: int) -> FittedTable:
    name, *figures = table.widths
    return FittedTable(table, gap, [max(1, min(name, width - _total([0, *figures], gap))), *figures])


def _needed(table: TextTable, gap: int, name_at_most: int | None = None) -> int:
    name, *figures = table.widths
    return _total([name if name_at_most is None else min(name, name_at_most), *figures], gap)


def _total(widths: Sequence[int], gap: int) -> int:
    return sum(widths) + gap * (len(widths) - 1)
