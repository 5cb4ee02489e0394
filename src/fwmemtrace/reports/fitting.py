"""Makes a table of figures fit a width. Its names may lose their ends, its figures lose nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from .sections import Grid

_GAP = 2
_NAME_AT_LEAST = 16  # characters


class Fitted(NamedTuple):
    """A table that fits.

    Attributes:
        grid: its heads may have more than one line.
        gap: blanks between two columns.
        widths: of its columns, in characters.
    """

    grid: Grid
    gap: int
    widths: list[int]


def is_of_figures(grid: Grid) -> bool:
    """Whether a table has a name in its first column and figures in all others."""
    return len(grid.heads) > 1 and set(grid.right) == set(range(1, len(grid.heads)))


def fit(grid: Grid, width: int) -> list[Fitted]:
    r"""A table of figures as it is, or with heads of several lines, or closer together, or as several tables.

    Args:
        grid: see `is_of_figures`.
        width: characters.

    >>> wide = Grid(("phase", "RSS change", "time"), [("load", "+1.2 MB", "3.4 s")], right=(1, 2))
    >>> [(part.grid.heads, part.gap) for part in fit(wide, 30)]
    [(('phase', 'RSS change', 'time'), 2)]
    >>> [part.grid.heads for part in fit(wide, 20)]
    [('phase', 'RSS\nchange', 'time')]
    >>> [part.grid.rows for part in fit(wide, 15)]
    [[('load', '+1.2 MB')], [('load', '3.4 s')]]
    """
    if _is_as_wide(grid, _GAP) <= width:
        return [_fitted(grid, _GAP, width)]
    grid = replace(grid, heads=(grid.heads[0], *(head.replace(" ", "\n") for head in grid.heads[1:])))
    for gap in (_GAP, 1):
        if _is_as_wide(grid, gap) <= width:
            return [_fitted(grid, gap, width)]
    if _is_as_wide(grid, 1, _NAME_AT_LEAST) <= width:
        return [_fitted(grid, 1, width)]
    return [_fitted(part, _GAP, width) for part in _parts(grid, width)]


def _parts(grid: Grid, width: int) -> Iterator[Grid]:
    """As many columns at a time as fit, and at least one; the first column, the names, is in all of them."""
    chosen: list[int] = []
    for at in range(1, len(grid.heads)):
        if chosen and _is_as_wide(_columns(grid, [*chosen, at]), _GAP, _NAME_AT_LEAST) > width:
            yield _columns(grid, chosen)
            chosen = []
        chosen.append(at)
    yield _columns(grid, chosen)


def _columns(grid: Grid, chosen: Sequence[int]) -> Grid:
    """Some columns, without the rows that have nothing in them."""
    rows = [(row[0], *(row[at] for at in chosen)) for row in grid.rows if any(row[at] for at in chosen)]
    return Grid((grid.heads[0], *(grid.heads[at] for at in chosen)), rows, range(1, len(chosen) + 1), grid.title)


def _fitted(grid: Grid, gap: int, width: int) -> Fitted:
    name, *figures = _widths(grid)
    return Fitted(grid, gap, [max(1, min(name, width - sum(figures) - gap * len(figures))), *figures])


def _is_as_wide(grid: Grid, gap: int, name_at_most: int | None = None) -> int:
    name, *figures = _widths(grid)
    return (name if name_at_most is None else min(name, name_at_most)) + sum(figures) + gap * len(figures)


def _widths(grid: Grid) -> list[int]:
    return [
        max(len(line) for cell in (head, *(row[at] for row in grid.rows)) for line in cell.split("\n"))
        for at, head in enumerate(grid.heads)
    ]
