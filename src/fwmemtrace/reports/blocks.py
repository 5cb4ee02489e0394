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
from ..units import format_bytes, format_count, format_duration
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
    "parts",
    "plain",
]


@dataclass(frozen=True, slots=True)
class Code:
    """A name from the trace or something to be taken literally: a phase, a function, a path, a command."""

    text: str


@dataclass(frozen=True, slots=True)
class Guide:
    """The lines that lead to a name in a tree, such as "│ └ ". Formats keep its blanks."""

    text: str


@dataclass(frozen=True, slots=True)
class Bytes:
    """A size or, if signed, a change in size."""

    value: float
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """A number of things or, if signed, a change in that number."""

    value: float
    signed: bool = False
    digits: int = 0  # after the decimal point


@dataclass(frozen=True, slots=True)
class Duration:
    """A time in nanoseconds."""

    value: float


@dataclass(frozen=True, slots=True)
class Range:
    """A figure between two bounds: `Range(Bytes(1200), Bytes(3400))` is written as 1.2 to 3.4 kB."""

    low: Bytes | Count | Duration
    high: Bytes | Count | Duration


@dataclass(frozen=True, slots=True)
class Percent:
    """A share: 0.25 is written as 25%."""

    value: float
    digits: int = 0  # after the decimal point


@dataclass(frozen=True, slots=True)
class Ratio:
    """A factor: 1.5 is written as 1.50x."""

    value: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """A value that calls for action, such as growth or an exceeded budget: red where there are colours."""

    part: str | Bytes | Count


Inline: TypeAlias = str | Code | Guide | Bytes | Count | Duration | Range | Percent | Ratio | Alarm | None
Sentence: TypeAlias = Inline | Sequence["Inline"]  # parts that are written one after the other; also a cell


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


def parts(sentence: Sentence) -> Sequence[Inline]:
    """Returns the parts of a sentence or cell; a single value is the only one."""
    if isinstance(sentence, Sequence) and not isinstance(sentence, str):
        return sentence
    return (sentence,)


def plain(sentence: Sentence) -> str:
    """Returns a sentence or cell as plain text.

    >>> plain(["The peak of ", Bytes(3_000_000), " was reached in ", Code("init/load"), "."])
    'The peak of 3.0 MB was reached in init/load.'
    """
    return "".join(inline_text(part) for part in parts(sentence))


def counted(count: int, thing: str) -> list[Inline]:
    """Returns a count with its noun, in the plural unless there is one.

    >>> plain(counted(1, "smaller item")), plain(counted(12, "smaller item"))
    ('1 smaller item', '12 smaller items')
    """
    return [Count(count), f" {thing}" if count == 1 else f" {thing}s"]


def enumerate_words(items: Sequence[Sequence[Inline]]) -> list[Inline]:
    """Returns the items in one sentence, separated by commas and a last "and".

    >>> plain(enumerate_words([["a"], ["b"], ["c"]]))
    'a, b and c'
    """
    joined: list[Inline] = []
    for number, item in enumerate(items):
        if number:
            joined.append(" and " if number == len(items) - 1 else ", ")
        joined.extend(item)
    return joined


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


def inline_text(value: Inline) -> str:
    """Returns one value as plain text, on one line and without control characters.

    >>> inline_text(Range(Bytes(1_200_000), Bytes(3_400_000))), inline_text(Range(Bytes(999_000), Bytes(3_400_000)))
    ('1.2 to 3.4 MB', '999.0 kB to 3.4 MB')
    """
    match value:
        case None:
            return ""
        case Alarm(part):
            return inline_text(part)
        case str():
            return visible(value)
        case Code(text) | Guide(text):
            return visible(text)
        case Bytes(size, signed):
            return format_bytes(size, signed=signed)
        case Range(low, high):
            return _range(inline_text(low), inline_text(high))
        case Count(number, signed, digits):
            return f"{number:{'+' if signed else ''},.{digits}f}" if digits else format_count(number, signed=signed)
        case Duration(nanoseconds):
            return format_duration(nanoseconds)
        case Percent(share, digits):
            return f"{share:z.{digits}%}"  # z: a negative share that rounds to nothing is 0%
        case Ratio(factor):
            return f"{factor:.2f}x"


def _range(low: str, high: str) -> str:
    if low == high:
        return low
    figure, _, unit = low.partition(" ")
    return f"{figure if high.endswith(f' {unit}') else low} to {high}"
