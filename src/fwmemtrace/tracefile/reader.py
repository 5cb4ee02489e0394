"""Opens a trace file and yields its records."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ..errors import TraceFileError
from ..records import Record, SessionBegin
from .decode import FrameDecoder
from .layout import BYTE_ORDER_MARK, FORMAT_VERSION, HEADER, HEADER_LOST, HEADER_LOST_AT, MAGIC, MAX_RESERVED
from .parts import Part, first_of, further_parts, opened

_AT_ONCE = 64 * 1024  # bytes


@dataclass
class Health:
    """How much of a file could be read.

    Attributes:
        damaged_bytes: bytes that are in no whole frame.
        lost_records: number of records for which the writer had no room, as its header says.
        unknown_records: number of whole records of a kind that this version does not know.
    """

    damaged_bytes: int = 0
    unknown_records: int = 0
    lost_records: int = 0


@dataclass
class TraceFile:
    """The trace of one process. Each iteration reads the file again, and its further parts if it has any.

    Attributes:
        path: the file; of a trace in parts, the first.
        pid: of the process that wrote it.
        version: of the format.
        health: how much of the file the latest iteration could read.
    """

    path: Path
    pid: int
    version: int
    health: Health = field(default_factory=Health)

    def __iter__(self) -> Iterator[Record]:
        with _open(self.path) as file, opened(self.path) as parts:
            header = file.read(HEADER.size)
            lost = HEADER_LOST.unpack_from(header, HEADER_LOST_AT)[0] if len(header) == HEADER.size else 0
            frames = FrameDecoder(file)
            records = iter(frames)
            self.health = Health()
            first = next(records, None)
            if first is not None:
                yield first
            yield from records
            self.health = Health(frames.damaged_bytes, frames.unknown, lost)
            yield from self._further(parts, first if isinstance(first, SessionBegin) else None)

    def _further(self, files: Iterable[BinaryIO], session: SessionBegin | None) -> Iterator[Record]:
        number = 1
        for file in files:
            part = Part(file, session)
            if part.begin is None or part.begin.number < max(number, 2):
                continue
            yield from part.records_after(number)
            number = part.begin.number
            self.health = Health(
                self.health.damaged_bytes + part.decoder.damaged_bytes,
                self.health.unknown_records + part.decoder.unknown,
                max(self.health.lost_records, part.lost_records),
            )

    def session(self) -> SessionBegin | None:
        """Return the record about the process, None if it was lost to damage."""
        return next((record for record in self if isinstance(record, SessionBegin)), None)

    @property
    def paths(self) -> list[Path]:
        """The file and those of its further parts, in their order."""
        return [self.path, *further_parts(self.path)]


def open_trace_file(path: Path) -> TraceFile:
    """Open a trace file and check its header.

    Raises:
        TraceFileError: if the file is missing, empty, a folder, not a trace, of a newer format, or a part of another.
    """
    if (first := first_of(path)) is not None:
        raise TraceFileError(f"{path} is a part of {first}; read that one, which includes all its parts")
    with _open(path) as file:
        header = file.read(HEADER.size)
    if not header:
        raise TraceFileError(f"{path} is empty, not a fwmemtrace trace")
    if not header.startswith(MAGIC[: len(header)]):
        raise TraceFileError(f"{path} is not a fwmemtrace trace")
    if len(header) < HEADER.size:
        raise TraceFileError(f"{path} is truncated within its header, so it has no records")
    _, version, mark, pid, _ = HEADER.unpack(header)
    if mark != BYTE_ORDER_MARK:
        raise TraceFileError(f"{path} has a damaged header (byte order {mark:#06x})")
    if version > FORMAT_VERSION:
        raise TraceFileError(
            f"{path} has trace format version {version}, but this fwmemtrace reads versions up to {FORMAT_VERSION}; "
            "update fwmemtrace"
        )
    return TraceFile(path, pid, version)


def reserved_from(path: Path) -> int:
    """Return where the zeros at the end of a file begin: the space that its writer has reserved.

    It is filled without a change of the file's size or time.

    Raises:
        TraceFileError: if the file cannot be read.
    """
    with _open(path) as file:
        end = at = file.seek(0, io.SEEK_END)
        while at and end - at < MAX_RESERVED:
            start = max(at - _AT_ONCE, 0)
            file.seek(start)
            piece = file.read(at - start).rstrip(b"\0")
            if piece:
                return start + len(piece)
            at = start
        return at


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise TraceFileError(f"{path}: no such file") from error
    except OSError as error:
        if path.is_dir():  # Windows reports "permission denied" for a folder
            raise TraceFileError(f"{path} is a folder, not a trace file") from error
        raise TraceFileError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        yield file
