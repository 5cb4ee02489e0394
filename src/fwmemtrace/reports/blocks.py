"""A report before it is formatted: sections of blocks, with typed values in their sentences and cells.

A section says what each value is (a size, a count, a name from the trace) and every format writes it in its own way. A
name that holds markup cannot break a page: formats escape whatever they are given.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from .. import results
from .inline import (
    Alarm,
    Bytes,
    Code,
    Count,
    Duration,
    Guide,
    Inline,
    Percent,
    Range,
    Ratio,
    Sentence,
    counted,
    enumerate_words,
    inline_text,
    parts,
    plain,
)
from .visible import visible

__all__ = [
    "Alarm",
    "Block",
    "Bytes",
    "Chart",
    "Code",
    "Column",
    "Command",
    "Count",
    "Document",
    "Drawing",
    "Duration",
    "Guide",
    "Inline",
    "Listing",
    "Percent",
    "Prose",
    "Range",
    "Ratio",
    "Section",
    "Sentence",
    "Table",
    "command_lines",
    "counted",
    "enumerate_words",
    "inline_text",
    "parts",
    "plain",
]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: its heading; "" for none.
        align: "right" for figures.
    """

    title: str
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True, slots=True)
class Prose:
    """The sentences of a paragraph."""

    id: str
    sentences: Sequence[Sentence]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells.

    Attributes:
        id: unique in its section.
        columns: their titles and alignment.
        rows: a cell for each column; None is an empty one.
        title: a caption, for sections with more than one table.
    """

    id: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Sentence]]
    title: Sentence = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The items of a list, numbered if their order matters."""

    id: str
    items: Sequence[Sentence]
    ordered: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    """RSS of one process over time. Graphical formats draw it, the others leave it out.

    Attributes:
        id: unique in its section.
        process: whose RSS it is.
        points: the samples.
        levels: horizontal lines, by name and bytes.
    """

    id: str
    process: results.Process
    points: Sequence[results.TimelinePoint]
    levels: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """A command for a shell, ready to be pasted.

    Attributes:
        id: unique in its section.
        words: its words, not quoted yet.
    """

    id: str
    words: Sequence[str]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture that is ready. Formats that show pictures take it as it is, the others leave it out.

    Attributes:
        id: unique in its section.
        title: a caption.
        svg: an SVG element, with all text in it escaped.
    """

    id: str
    title: Sentence
    svg: str


Block: TypeAlias = Prose | Table | Listing | Chart | Command | Drawing


@dataclass(slots=True)
class Section:
    """A part of a report with a heading.

    Attributes:
        id: unique in the report and stable between versions, for links and style sheets.
        title: the heading.
        blocks: the contents, in order.
        level: of the heading; 2 is a chapter.
    """

    id: str
    title: Sentence
    blocks: list[Block] = field(default_factory=list)
    level: int = 2


@dataclass(slots=True)
class Document:
    """A whole report, ready to be formatted."""

    title: Sentence
    sections: list[Section]


def command_lines(command: Command, width: int | None = None) -> list[str]:
    r"""Returns a command in lines that a shell reads as one.

    Args:
        command: the command.
        width: characters per line, as far as no word is longer; None for one line.

    >>> print(*command_lines(Command("run", ["python", "my app.py", "--port", "8000"]), 24), sep="\n")
    python 'my app.py' \
      --port 8000
    """
    lines = [""]
    for word in command.words:
        quoted = visible(shlex.quote(word))
        if width is not None and lines[-1].strip() and len(lines[-1]) + len(quoted) + 3 > width:
            lines[-1] += " \\"
            lines.append("  ")
        lines[-1] += quoted if not lines[-1].strip() else f" {quoted}"
    return lines
