"""Writes the trace file, trace.bin: the default sink."""

from __future__ import annotations

import os

from ..errors import SinkError
from ..records import Record
from ..tracefile.encode import frame, header

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_write = os.write


class TraceFileSink:
    """Writes each record as one frame in one `write`. Nothing is buffered in the process, so a SIGKILL loses nothing.

    Args:
        path: the file; an existing file is replaced.

    Attributes:
        path: the absolute path of the file; after a fork, of the worker's own.

    Raises:
        SinkError: if the file cannot be created.
    """

    def __init__(self, path: str | os.PathLike[str] = "trace.bin") -> None:
        self.path = self._first = os.path.abspath(os.fspath(path))
        self._fd = self._create()

    def _create(self) -> int:
        try:
            fd = os.open(self.path, _FLAGS, 0o666)
        except OSError as error:
            raise SinkError(f"{self.path} cannot be written: {error.strerror}") from error
        os.write(fd, header(os.getpid()))
        return fd

    def write(self, record: Record) -> None:
        whole = frame(record)
        if _write(self._fd, whole) != len(whole):
            raise SinkError(f"{self.path}: no space left for a whole record")

    def after_fork(self, pid: int) -> None:
        os.close(self._fd)
        stem, suffix = os.path.splitext(self._first)
        self.path = f"{stem}.{pid}{suffix}"
        self._fd = self._create()

    def close(self) -> None:
        # Never twice, and nothing is written after it: the program may have opened another file by that number.
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
