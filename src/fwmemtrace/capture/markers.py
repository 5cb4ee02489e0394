"""The marks that a traced program leaves in a memray capture, and how their frames' names are read again.

A mark is one small block of a size between `SMALLEST` and `LARGEST`, freed at once, made in a function whose code was
given the file name `FILE` and a name that says what the mark means. Both the probe that leaves marks and the reader of
captures go by this module. The words of a name:

    begin PATH, end PATH, switch PATH   a run of the phase PATH (a string's literal) begins, ends, or goes on here
    home                                this thread goes on in no phase of its own
    away                                this thread does the tracer's own work from here on: outside of any phase
    own, over                           this is the session's own thread; the session is over
    maps+ ROW, maps- ROW                a mapping that is not plain memory appeared, or is gone; ROW as in `MappedRange`
    maps!                               what was said about mappings until here is complete
    spell                               the block's size stands for half a byte of the next mark's path

The size less `SMALLEST` is the low part of the run's slot number, a number (after `#`) behind the word the high part:
`begin#2 init` with the third smallest size is slot 2 * 16 + 2. Slots tell apart runs of one phase that are open at
once, and are used again after a run's end.
"""

from __future__ import annotations

from typing import NamedTuple

FILE = "<fwmemtrace>"
# Below glibc's largest cached size, so that a mark costs no trip to the arena, and no size class of CPython's.
SMALLEST = 1003
SIZES = 16
LARGEST = SMALLEST + SIZES - 1


class Marker(NamedTuple):
    """A mark as read from a capture.

    Attributes:
        word: what it means, such as "begin".
        high: the high part of the slot number.
        text: the path or the row; None where it was spelled by the marks before, or the word takes none.
    """

    word: str
    high: int
    text: str | None


def name_of(word: str, text: str | None = None, high: int = 0) -> str:
    """The name of the frame of a mark: ASCII without a zero byte, which is what a capture can hold for sure."""
    head = f"{word}#{high}" if high else word
    return head if text is None else f"{head} {text!a}"


def read_name(name: str) -> Marker:
    """Undo `name_of`.

    Raises:
        ValueError: if it is no name of a mark.
    """
    from ast import literal_eval  # for the reader only: the traced process has no use for it

    head, separator, text = name.partition(" ")
    word, _, high = head.partition("#")
    try:
        return Marker(word, int(high or 0), str(literal_eval(text)) if separator else None)
    except SyntaxError as error:
        raise ValueError(f"found {text!r}, expected a string's literal") from error


class MappedRange(NamedTuple):
    """A stretch of address space that is not plain memory.

    Attributes:
        start: its first address.
        end: the address behind it.
        path: the file it maps; None where nothing may be read there (`PROT_NONE`: address space that is only reserved).
    """

    start: int
    end: int
    path: str | None

    def row(self) -> str:
        """The mapping as text."""
        where = f"{self.start:x}-{self.end:x}"
        return where if self.path is None else f"{where} {self.path}"


def read_row(row: str) -> MappedRange:
    """Undo `MappedRange.row`.

    Raises:
        ValueError: if it is no such row.
    """
    where, separator, path = row.partition(" ")
    start, _, end = where.partition("-")
    return MappedRange(int(start, 16), int(end, 16), path if separator else None)
