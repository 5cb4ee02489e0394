"""Finds and joins the parts of a trace whose size is limited."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from ..records import Record, SessionBegin, TracePart
from .decode import FrameDecoder
from .layout import HEADER, HEADER_LOST, HEADER_LOST_AT, MAGIC, PART_SUFFIX


def further_parts(path: Path, behind: int = 1) -> list[Path]:
    """Return the files that have the names of further parts of a trace, in their order.

    Args:
        path: the first part.
        behind: only those with a larger number in their name.
    """
    start = path.name + PART_SUFFIX
    found = []
    try:
        names = os.listdir(path.parent)
    except OSError:
        return []
    for name in names:
        number = _number(name.removeprefix(start)) if name.startswith(start) else 0
        if number > behind:
            found.append((number, path.with_name(name)))
    return [part for _, part in sorted(found)]


def number_of(path: Path) -> int:
    """Return the number in the name of a further part; 1 for another name."""
    return _number(path.name.rpartition(PART_SUFFIX)[2]) or 1


def first_of(path: Path) -> Path | None:
    """Return the file of the first part, if this is the name of a further one and that file exists."""
    first = path.with_name(path.name.rpartition(PART_SUFFIX)[0] or path.name)
    return first if first != path and number_of(path) > 1 and first.exists() else None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


class Part:
    """A further part, open for reading.

    Args:
        file: from its start.
        session: the first record of the trace; None if that is damaged.

    Attributes:
        begin: its first record; None if it is no part of this trace.
        decoder: has the damage that was found so far.
        lost_records: of the session, when it was written.
    """

    def __init__(self, file: BinaryIO, session: SessionBegin | None) -> None:
        head = file.read(HEADER.size)
        self.decoder = FrameDecoder(file)
        self._records = iter(self.decoder)
        self.lost_records = 0
        self.begin: TracePart | None = None
        if len(head) == HEADER.size and head.startswith(MAGIC):
            self.lost_records = HEADER_LOST.unpack_from(head, HEADER_LOST_AT)[0]
            begin = next(self._records, None)
            if isinstance(begin, TracePart) and _is_of(begin, session):
                self.begin = begin

    def records_after(self, number: int) -> Iterator[Record]:
        """Iterate over its records; those that repeat others only if parts are missing before it.

        Args:
            number: of the part that was read before.
        """
        if self.begin is None:
            return iter(())
        if self.begin.number in (number, number + 1):  # the same one was begun twice if a signal handler raised
            return islice(self._records, min(max(self.begin.repeated, 0), sys.maxsize), None)
        return chain([self.begin], self._records)


def _is_of(part: TracePart, session: SessionBegin | None) -> bool:
    return session is None or (part.session_id, part.pid, part.session_ns) == (
        session.session_id,
        session.pid,
        session.time_ns,
    )


@contextmanager
def opened(path: Path) -> Iterator[list[BinaryIO]]:
    """Open all further parts at once: the process that writes them may remove the oldest meanwhile."""
    with ExitStack() as stack:
        files: list[BinaryIO] = []
        for part in further_parts(path):
            try:
                if stat.S_ISREG(part.stat().st_mode):
                    files.append(stack.enter_context(part.open("rb")))
            except OSError:
                pass
        yield files
