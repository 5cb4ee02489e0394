"""What an exporter is given and what it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from ..analysis.stack_table import StackTable
from ..analysis.tables import FlatTable
from ..records import Record
from ..results import TraceReport


class ProcessLike(Protocol):
    """One process of a trace; see `fwmemtrace.trace.TracedProcess`."""

    @property
    def pid(self) -> int:
        """The process id."""

    @property
    def path(self) -> Path:
        """The path of the trace file that the process wrote."""

    @property
    def records(self) -> Iterable[Record]:
        """The records in the order in which they were written; can be iterated over more than once."""

    def report(self) -> TraceReport:
        """Return the results of this process alone."""

    def stacks(self) -> StackTable:
        """Return all stacks with what was measured of each."""

    def capture(self) -> AbstractContextManager[Path]:
        """Provide the memray capture as a file for as long as the block lasts.

        Raises:
            CaptureError: if the process has none.
        """


class TraceLike(Protocol):
    """What an exporter is given; see `fwmemtrace.trace.Trace`."""

    @property
    def processes(self) -> Sequence[ProcessLike]:
        """The processes of the session, the first one first."""

    def __iter__(self) -> Iterator[Record]:
        """Iterate over the records of all processes, one process after another."""

    def tables(self) -> Sequence[FlatTable]:
        """Return the results as flat tables."""

    def capture(self) -> AbstractContextManager[Path]:
        """Provide the memray capture of the first process.

        Raises:
            CaptureError: if it has none.
        """


class Exporter(Protocol):
    """Writes a trace in another tool's format."""

    def export(self, trace: TraceLike, out_path: Path) -> None:
        """Write the trace to a file.

        Args:
            trace: what to export.
            out_path: where to write it.

        Raises:
            FwmemtraceError: if the trace lacks what the format needs.
            OSError: if the file cannot be written.
        """
