"""A report before a format writes it: sections of blocks, and typed values in their sentences and cells.

Whoever makes a section says what a value is (bytes, a count, a name from the trace) and each format writes it its own
way: `Code("a`b")` cannot break a markdown cell, and a chart or a sort order has numbers to go by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from .. import results
from ..units import format_bytes, format_count, format_duration

__all__ = [
    "Bytes",
    "Chart",
    "Code",
    "Column",
    "Count",
    "Duration",
    "Inline",
    "Listing",
    "Percent",
    "Prose",
    "Section",
    "Sentence",
    "Table",
    "plain",
]


@dataclass(frozen=True, slots=True)
class Code:
    """A name that comes from the trace or is meant literally: a phase, a function, a path, a command."""

    text: str


@dataclass(frozen=True, slots=True)
class Bytes:
    """A size or, with a sign, a change in size."""

    value: float
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """A number of things or, with a sign, a change of that number."""

    value: float
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Duration:
    """A time in nanoseconds."""

    value: float


@dataclass(frozen=True, slots=True)
class Percent:
    """A share: 0.25 is written as 25%."""

    value: float


Inline: TypeAlias = str | Code | Bytes | Count | Duration | Percent | None
Sentence: TypeAlias = Inline | Sequence["Inline"]  # parts that are written one behind the other; also what a cell holds


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: its heading; "" for none.
        align: "right" for figures; "tree" for names that are indented by guides, where blanks count.
    """

    title: str
    align: Literal["left", "right", "tree"] = "left"


@dataclass(frozen=True, slots=True)
class Prose:
    """Sentences of one paragraph."""

    id: str
    sentences: Sequence[Sentence]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells.

    Attributes:
        id: unique in its section.
        columns: their titles and alignment.
        rows: a cell for each column; None is an empty one.
        title: a caption, where the section has more than one table.
    """

    id: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Sentence]]
    title: Sentence = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """Items of a list, numbered where their order means something."""

    id: str
    items: Sequence[Sentence]
    ordered: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    """RSS of one process over time, which only graphical formats draw; others leave it out."""

    id: str
    process: results.Process
    points: Sequence[results.TimelinePoint]
    levels: Sequence[tuple[str, int]] = ()  # horizontal lines: name and bytes


Block: TypeAlias = Prose | Table | Listing | Chart


@dataclass(slots=True)
class Section:
    """A part of a report with a heading.

    Attributes:
        id: unique in the report, stable between versions: what links and style sheets refer to.
        title: the heading.
        blocks: in their order.
        level: how deep the heading lies; 2 is a chapter.
    """

    id: str
    title: Sentence
    blocks: list[Block] = field(default_factory=list)
    level: int = 2


def parts(sentence: Sentence) -> Sequence[Inline]:
    """The parts of a sentence or cell, a single value as the only one."""
    if isinstance(sentence, Sequence) and not isinstance(sentence, str):
        return sentence
    return (sentence,)


def plain(sentence: Sentence) -> str:
    """A sentence or cell as plain text.

    >>> plain(["The peak of ", Bytes(3_000_000), " was reached in ", Code("init/load"), "."])
    'The peak of 3.0 MB was reached in init/load.'
    """
    return "".join(_inline(part) for part in parts(sentence))


def _inline(value: Inline) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case Code(text):
            return text
        case Bytes(size, signed):
            return format_bytes(size, signed=signed)
        case Count(number, signed):
            return format_count(number, signed=signed)
        case Duration(nanoseconds):
            return format_duration(nanoseconds)
        case Percent(share):
            return f"{share:.0%}"
