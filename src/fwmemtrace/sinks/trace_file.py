"""The default sink: trace.bin. What was written before a SIGKILL is there after it."""

from __future__ import annotations

import os

from ..errors import SinkError
from ..records import Record
from ..tracefile.encode import frame, header

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_write = os.write


class TraceFileSink:
    """Writes each record as one frame in one `write`, straight to the kernel: nothing waits in this process.

    Args:
        path: the file; an existing one is replaced.

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
            raise SinkError(
                f"found that {self.path} cannot be written ({error.strerror}), expected a path for the trace file: "
                "give one in a folder that exists and can be written"
            ) from error
        os.write(fd, header(os.getpid()))
        return fd

    def write(self, record: Record) -> None:
        whole = frame(record)
        if _write(self._fd, whole) != len(whole):
            raise SinkError(f"found no room for a whole record in {self.path}")

    def flush(self) -> None:
        """Nothing to do: every record is with the kernel already."""

    def after_fork(self, pid: int) -> None:
        os.close(self._fd)
        stem, suffix = os.path.splitext(self._first)
        self.path = f"{stem}.{pid}{suffix}"
        self._fd = self._create()

    def close(self) -> None:
        os.close(self._fd)
