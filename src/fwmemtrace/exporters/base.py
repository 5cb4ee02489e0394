"""The protocol of an exporter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from ..records import Record


class TraceLike(Protocol):
    """What an exporter is handed; see `fwmemtrace.trace.Trace`."""

    def __iter__(self) -> Iterator[Record]: ...

    def capture(self) -> AbstractContextManager[Path]:
        """The memray capture of the first process as a file.

        Raises:
            CaptureError: if there is none.
        """


class Exporter(Protocol):
    """Writes a trace in a format of another tool's."""

    def export(self, trace: TraceLike, out_path: Path) -> None:
        """Write it.

        Raises:
            FwmemtraceError: if the trace lacks what the format needs.
            OSError: if the file cannot be written.
        """
