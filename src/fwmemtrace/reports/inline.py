"""What sentences and cells consist of: text, and values that every format writes in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..units import format_bytes, format_count, format_duration
from .visible import visible


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
