"""`read`: a trace file, with its workers' files, as an object to ask."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from . import plugins, results
from .analysis.growth import GrowthFold
from .analysis.summary import ProcessInput, summarise
from .capture.readers import reader_for
from .errors import CaptureError
from .records import CaptureChunk, MappedLibrary, Record
from .reports.base import Options, Report
from .system.elf import build_of
from .tracefile.reader import TraceFile, open_trace_file
from .units import parse_bytes


class Trace:
    """The records of one session. Made by `read`.

    Attributes:
        files: one a process, the one that `read` was given first.
    """

    def __init__(self, files: list[TraceFile]) -> None:
        self.files = files

    def __iter__(self) -> Iterator[Record]:
        """All records, one process after another, each in the order in which they were written."""
        for file in self.files:
            yield from file

    @property
    def phases(self) -> list[results.PhaseRow]:
        """A row for each phase path and process, as in the JSON report."""
        return self.summary().phases

    def ledger(self) -> list[results.Ledger] | None:
        """What each phase's RSS change consists of; None if the probe `mappings` was not on."""
        return self.summary().ledger

    def summary(
        self,
        *,
        budget: int | str | None = None,
        top: int = 10,
        progress: Callable[[int, int], None] | None = None,
    ) -> results.TraceReport:
        """Analyse the trace.

        Args:
            budget: a limit in bytes, or text such as "300MB", that the peak is held against.
            top: how many stacks to resolve for each phase.
            progress: called now and then, while a memray capture is read, with the number of records read and of all
                there are.

        Raises:
            SettingsError: if the budget is no size.
        """
        limit = None if budget is None else parse_bytes(budget)
        return summarise([_input(file, top, progress) for file in self.files], budget_bytes=limit)

    def report(
        self,
        format: str = "text",
        *,
        budget: int | str | None = None,
        top: int = 5,
        width: int = 100,
        colour: bool = False,
    ) -> str:
        """Make the trace readable.

        Args:
            format: "text", "markdown", "json", or another that is registered.
            budget: a limit in bytes, or text such as "300MB", that the peak is held against.
            top: rows of each table of top allocations.
            width: characters a line, for formats that are read in a terminal.
            colour: whether to write colours, for the same.

        Raises:
            SettingsError: if no report of that name is registered, or the budget is no size.
        """
        made: Report = plugins.load("fwmemtrace.reports", format)()
        return made.render(self.summary(budget=budget, top=top), Options(width=width, colour=colour, top=top))

    @contextmanager
    def capture(self) -> Iterator[Path]:
        """The first process's memray capture, as a file for as long as the block lasts.

        Raises:
            CaptureError: if the trace has none.
        """
        with capture_of(self.files[0]) as path:
            if path is None:
                raise CaptureError(
                    f"found no memray capture in {self.files[0].path} or beside it, expected one: "
                    "trace with the probe native"
                )
            yield path


def read(path: str | os.PathLike[str], *more: str | os.PathLike[str]) -> Trace:
    """Open a trace file; those of its workers beside it are found by themselves.

    Args:
        path: what the session's first process wrote.
        more: further traces to read with it.

    Raises:
        TraceFileError: if a file is missing, empty, or no trace; what damage is in it does not raise.
    """
    files: dict[Path, TraceFile] = {}
    for given in (path, *more):
        first = open_trace_file(Path(given))
        for file in (first, *_workers(first)):
            files.setdefault(file.path.resolve(), file)
    return Trace(list(files.values()))


def _workers(first: TraceFile) -> list[TraceFile]:
    """The traces beside this one that belong to the same session and were written by its workers."""
    path = first.path
    session = first.session()
    if session is None:
        return []
    found = []
    for candidate in sorted(path.parent.glob(f"{glob.escape(path.stem)}.*{glob.escape(path.suffix)}")):
        pid = candidate.name[len(path.stem) + 1 : len(candidate.name) - len(path.suffix)]
        if not pid.isdigit():
            continue
        try:
            file = open_trace_file(candidate)
            theirs = file.session()
        except (OSError, ValueError):
            continue
        if theirs is not None and theirs.session_id == session.session_id:
            found.append(file)
    return found


def _input(file: TraceFile, top: int, progress: Callable[[int, int], None] | None) -> ProcessInput:
    with capture_of(file) as path:
        if path is None:
            return ProcessInput(file)
        growth = GrowthFold()
        try:
            capture = reader_for("memray").rows(
                path,
                top=top,
                other_builds=_other_builds(file),
                progress=progress,
                run_ended=lambda path, level, change: growth.call(path, "native", level, change),
            )
        except CaptureError as error:
            return ProcessInput(file, notes=[f"native: {error}"])
    return ProcessInput(file, capture.rows, [f"native: {note}" for note in capture.notes], growth.result())


def _other_builds(file: TraceFile) -> list[str]:
    """Paths of the libraries that were mapped when the trace was written and lie here as another build.

    Those that do not lie here at all are not among them: what has no file gets no name.
    """
    session = file.session()
    if session is None or session.settings.get("native_traces") != "True":
        return []
    mapped = {record.path: record.build for record in file if isinstance(record, MappedLibrary)}
    return [path for path, build in mapped.items() if build_of(path) not in (None, build)]


@contextmanager
def capture_of(file: TraceFile, tool: str = "memray") -> Iterator[Path | None]:
    """A process's capture: the one beside the trace, as a crash leaves it, or the one moved into the trace."""
    session = file.session()
    if session is not None and "native" not in session.probes:
        yield None
        return
    beside = file.path.with_name(file.path.name + reader_for(tool).suffix)
    if beside.exists():
        yield beside
        return
    with tempfile.TemporaryDirectory(prefix="fwmemtrace-") as folder:
        path = Path(folder) / beside.name
        with path.open("wb") as copy:
            complete = _extract(file, tool, copy)
        yield path if complete else None


def _extract(file: TraceFile, tool: str, copy: BinaryIO) -> bool:
    """Write out the pieces of a capture; whether all of it was there."""
    written = total = 0
    for record in file:
        if isinstance(record, CaptureChunk) and record.tool == tool:
            copy.seek(record.offset)
            written += copy.write(record.data)
            total = record.total
    return 0 < total == written
