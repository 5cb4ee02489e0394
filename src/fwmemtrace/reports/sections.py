"""Sections of a report as data: sentences and tables that each report writes in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        heads: a title a column.
        rows: the cells as text.
        right: numbers of the columns that are set to the right.
        title: what it shows, where the section has more than one.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[int] = ()
    title: str = ""


@dataclass
class Section:
    """A part of a report, with a heading of its own.

    Attributes:
        title: the heading.
        sentences: what it says first.
        grids: its tables.
        items: a numbered list behind them.
        level: how deep the heading lies; 2 is a chapter.
    """

    title: str
    sentences: list[str] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    level: int = 2
