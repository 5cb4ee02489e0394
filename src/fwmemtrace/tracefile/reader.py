"""Opens a trace file and gives its records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ..errors import TraceFileError
from ..records import Record, SessionBegin
from .decode import FrameDecoder
from .layout import BYTE_ORDER_MARK, FORMAT_VERSION, HEADER, MAGIC

_ADVICE = "give a file that a fwmemtrace session wrote, such as trace.bin"


@dataclass
class Health:
    """How much of a file could be read.

    Attributes:
        damaged_bytes: bytes that belong to no whole frame.
        unknown_records: whole records of a kind that this version does not know.
    """

    damaged_bytes: int = 0
    unknown_records: int = 0


@dataclass
class TraceFile:
    """The trace of one process. Iterate over it as often as you like: each time reads the file anew.

    Attributes:
        path: the file.
        pid: of the process that wrote it.
        version: of the format.
        health: what the latest iteration found.
    """

    path: Path
    pid: int
    version: int
    health: Health = field(default_factory=Health)

    def __iter__(self) -> Iterator[Record]:
        with _open(self.path) as file:
            file.seek(HEADER.size)
            frames = FrameDecoder(file)
            self.health = Health()
            yield from frames
            self.health = Health(frames.damaged_bytes, frames.unknown)

    def session(self) -> SessionBegin | None:
        """The record that tells of the process; None where damage took it."""
        return next((record for record in self if isinstance(record, SessionBegin)), None)


def open_trace_file(path: Path) -> TraceFile:
    """Look at a file's header.

    Raises:
        TraceFileError: if there is no such file, it is empty, a folder, no trace, or of a newer format.
    """
    with _open(path) as file:
        header = file.read(HEADER.size)
    if not header:
        raise TraceFileError(f"found {path} empty, expected a trace: {_ADVICE}")
    if not header.startswith(MAGIC[: len(header)]):
        raise TraceFileError(f"found {header[:12]!r} at the start of {path}, expected {MAGIC!r}: {_ADVICE}")
    if len(header) < HEADER.size:
        raise TraceFileError(f"found {path} cut off within its header, expected at least one record: nothing is left")
    _, version, mark, pid, _ = HEADER.unpack(header)
    if mark != BYTE_ORDER_MARK:
        raise TraceFileError(
            f"found the byte order {mark:#06x} in {path}, expected {BYTE_ORDER_MARK:#06x}: its header is damaged"
        )
    if version > FORMAT_VERSION:
        raise TraceFileError(
            f"found format version {version} in {path}, expected {FORMAT_VERSION} or older: "
            "read it with a newer fwmemtrace"
        )
    return TraceFile(path, pid, version)


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except IsADirectoryError as error:
        raise TraceFileError(f"found that {path} is a folder, expected a trace file: {_ADVICE}") from error
    except FileNotFoundError as error:
        raise TraceFileError(f"found no file {path}, expected a trace file: {_ADVICE}") from error
    except OSError as error:
        if path.is_dir():  # Windows answers "permission denied" for a folder
            raise TraceFileError(f"found that {path} is a folder, expected a trace file: {_ADVICE}") from error
        raise TraceFileError(f"found that {path} cannot be read ({error.strerror}): check its permissions") from error
    with file:
        yield file
