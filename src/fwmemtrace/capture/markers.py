"""The markers that a traced program leaves in a memray capture, and how they are read again.

A marker is one small block of a size between `SMALLEST` and `LARGEST`, freed at once, allocated in a function whose
code has the file name `FILE` and a name that encodes the marker. The probe that leaves markers and the reader of
captures both go by this module. A name is one of these words, some with a text behind it as the literal of a string:

    begin PATH, end PATH, switch PATH   a run of the phase PATH begins, ends, or goes on in this thread
    home                                this thread goes on in no phase of its own
    away                                this thread does the tracer's own work from here on: outside of any phase
    own, over                           this is the session's own thread; the session is over
    maps+ ROW, maps- ROW                a mapping that is not plain memory appeared, or is gone; ROW as in `MappedRange`
    maps!                               all changes of mappings until here have been named
    spell                               the size of this block is half a byte of the next marker's text

PATH is as `paths.write` writes it; version 0.1 did not escape slashes and backslashes in names.

The size less `SMALLEST` is the low part of the run's slot number, and a number behind the word, after `#`, is the high
part: `begin#2 'init'` of the third smallest size is slot 2 * 16 + 2. Slots tell apart runs of one phase that are open
at the same time, and are reused after a run's end.

With the debug hooks of Python's allocators (`python -X dev`, PYTHONMALLOC=debug) every block, and so every marker, is
`DEBUG_BYTES` or twice as many larger.
"""

from __future__ import annotations

from typing import NamedTuple

FILE = "<fwmemtrace>"
# Below the largest size in glibc's thread cache, so that a marker does not reach the arena, and no size class of
# CPython.
SMALLEST = 1003
SIZES = 16
# The hooks add three words to each block (Objects/obmalloc.c), and again where pymalloc passes a large block on to the
# raw allocator. That is more than there are sizes, so that none is ambiguous.
DEBUG_BYTES = 3 * 8
LARGEST = SMALLEST + SIZES - 1 + 2 * DEBUG_BYTES


_ESCAPE = r"""\\(?:[\\'"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})"""
_LITERAL = rf"""'(?:[ !"#-&(-\[\]-~]|{_ESCAPE})*'|"(?:[ !#-\[\]-~]|{_ESCAPE})*\""""


class Marker(NamedTuple):
    """A marker as read from a capture.

    Attributes:
        word: its meaning, such as "begin".
        high: the high part of the slot number.
        text: the path or row; None where the markers before it spell the text, or the word takes none.
    """

    word: str
    high: int
    text: str | None


def low_part(size: int) -> int:
    """Return the number below `SIZES` that the size of a marker's block encodes."""
    return (size - SMALLEST) % DEBUG_BYTES


def name_of(word: str, text: str | None = None, high: int = 0) -> str:
    """Return the name of a marker's frame: ASCII without a zero byte, which every capture can hold."""
    head = f"{word}#{high}" if high else word
    return head if text is None else f"{head} {text!a}"


def read_name(name: str) -> Marker:
    """Return the marker that a frame's name encodes; the inverse of `name_of`.

    Raises:
        ValueError: if the name does not encode a marker.
    """
    head, separator, text = name.partition(" ")
    word, _, high = head.partition("#")
    return Marker(word, int(high or 0), _read_literal(text) if separator else None)


def _read_literal(text: str) -> str:
    r"""Return the text that a literal such as `'a\\n'` stands for, ValueError if it is not one that `ascii` writes."""
    import re  # here, because the traced process never reads a name
    from ast import literal_eval

    # Nothing else is evaluated: an expression of a hostile capture could be nested too deeply, or take for ever.
    if not re.fullmatch(_LITERAL, text):
        raise ValueError(f"{text!r} is not the literal of a string")
    try:
        return str(literal_eval(text))
    except SyntaxError as error:
        raise ValueError(f"{text!r} is not the literal of a string") from error


class MappedRange(NamedTuple):
    """A range of address space that is not plain memory.

    Attributes:
        start: its first address.
        end: the address behind it.
        path: the file that it maps; None for address space that is only reserved (`PROT_NONE`).
    """

    start: int
    end: int
    path: str | None

    def row(self) -> str:
        """Return the range as text."""
        where = f"{self.start:x}-{self.end:x}"
        return where if self.path is None else f"{where} {self.path}"


def read_row(row: str) -> MappedRange:
    """Return the range that a text stands for; the inverse of `MappedRange.row`.

    Raises:
        ValueError: if the text is not a row.
    """
    where, separator, path = row.partition(" ")
    start, _, end = where.partition("-")
    return MappedRange(int(start, 16), int(end, 16), path if separator else None)
