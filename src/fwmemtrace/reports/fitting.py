"""Makes a table of figures fit a width. Names may be cut at their ends, figures never are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from .blocks import Table, plain

_GAP = 2
_MIN_NAME = 16  # characters


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


def text_table(table: Table) -> TextTable:
    """Returns a table with its cells written out."""
    return TextTable(
        [plain(column.title) for column in table.columns],
        [[plain(cell) for cell in row] for row in table.rows],
        frozenset(at for at, column in enumerate(table.columns) if column.align == "right"),
    )


def is_of_figures(table: TextTable) -> bool:
    """Tells whether a table has names in its first column and figures in all others."""
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
    if _needed(table, _GAP) <= width:
        return [_fitted(table, _GAP, width)]
    table = with_broken_heads(table)
    for gap in (_GAP, 1):
        if _needed(table, gap) <= width:
            return [_fitted(table, gap, width)]
    if _needed(table, 1, _MIN_NAME) <= width:
        return [_fitted(table, 1, width)]
    return [_fitted(part, _GAP, width) for part in _split(table, width)]


def _split(table: TextTable, width: int) -> Iterator[TextTable]:
    """Yields tables of as many columns as fit, at least one; the first column, the names, is in all of them."""
    table = replace(table, heads=[head.replace("\n", " ").strip() for head in table.heads])
    chosen: list[int] = []
    for at in range(1, len(table.heads)):
        if chosen and _needed(_columns(table, [*chosen, at]), _GAP, _MIN_NAME) > width:
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
    return FittedTable(table, gap, [max(1, min(name, width - sum(figures) - gap * len(figures))), *figures])


def _needed(table: TextTable, gap: int, name_at_most: int | None = None) -> int:
    name, *figures = table.widths
    return (name if name_at_most is None else min(name, name_at_most)) + sum(figures) + gap * len(figures)
