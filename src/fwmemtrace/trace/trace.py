"""`read` finds the files of a session; a `Trace` is all of its processes together."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from .. import plugins, results
from ..analysis.further_runs import pair_processes, with_further_runs
from ..analysis.summary import ProcessInput, summarise
from ..analysis.tables import FlatTable, flat_tables
from ..errors import FwmemtraceError
from ..paths import PhasePath
from ..records import Record
from ..reports.base import DetailedReport, Options, Report
from ..reports.notebook import notebook_html
from ..tracefile.reader import TraceFile, open_trace_file
from ..units import parse_bytes
from . import data_frames
from .capture import Progress
from .deep import further_runs
from .details import details_of
from .process import DEFAULT_TOP, TracedProcess, find_phase

# The worker's process id, then perhaps that of a process that it forked itself, or a number where ids repeat.
_WORKERS_NUMBER = re.compile(r"\d+([.-]\d+)*")
if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


class Trace:
    """The trace of one session; `read` makes it.

    Iterating over it, and so `len`, is about its records. `trace["main/init"]` is about its phases.

    Results are kept until a trace file or capture changes: asking again does not read the files again, but for a trace
    that has grown since. Rows and reports are shared between calls, so do not change them.

    Attributes:
        processes: the processes of the session, the one of the file that `read` was given first.
        deep: the traces of further runs that `run --deep` made; `summary` has the figures of their probes.
    """

    def __init__(self, processes: list[TracedProcess], deep: Sequence[Trace] = ()) -> None:
        self.processes = processes
        self.deep = list(deep)

    @property
    def files(self) -> list[TraceFile]:
        """The trace file of each process, in the order of `processes`."""
        return [process.file for process in self.processes]

    def __iter__(self) -> Iterator[Record]:
        """Iterate over all records: one process after another, each in the order in which it wrote them."""
        for process in self.processes:
            yield from process.records

    def __len__(self) -> int:
        """Return the number of records that iterating yields."""
        return sum(process.analysis().records for process in self.processes)

    def __getitem__(self, path: str | PhasePath) -> results.PhaseRow:
        """Return the row of a phase, as in `phases`.

        If several processes have the phase, it is the row of the first; `trace.processes[1]["main/init"]` is that of
        the second process.

        Args:
            path: as text such as "main/init", or as a tuple of names such as `("main", "init")`. In text, a "/" or a
                backslash inside a name is escaped by a backslash. "" stands for what happened in no phase.

        Raises:
            KeyError: if no process has such a phase.
        """
        return find_phase(self.processes, path)

    def __repr__(self) -> str:
        name = self.processes[0].path.name if self.processes else "of no process"
        try:
            analyses = [process.analysis() for process in self.processes]
        except (FwmemtraceError, OSError):
            return f"<Trace {name}: unreadable>"
        phases = sum(analysis.phases for analysis in analyses)
        complete = "complete" if all(analysis.complete for analysis in analyses) else "incomplete"
        return f"<Trace {name}: {_count(len(analyses), 'process', 'es')}, {_count(phases, 'phase', 's')}, {complete}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the summary, RSS over time and the table of phases."""
        return notebook_html(self.summary())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Return the same, and the text report for notebooks that show no HTML."""
        return {"text/html": self._repr_html_(), "text/plain": self.report("text")}

    @property
    def phases(self) -> list[results.PhaseRow]:
        """A row for each phase path and process, as in the JSON report."""
        return self.summary().phases

    def ledger(self) -> list[results.Ledger] | None:
        """Return what each phase's RSS change consists of; None if the probe `mappings` was not on."""
        return self.summary().ledger

    def summary(
        self,
        *,
        budget: int | str | None = None,
        top: int = DEFAULT_TOP,
        progress: Progress | None = None,
        details: bool = False,
    ) -> results.TraceReport:
        """Analyse the trace.

        Args:
            budget: a limit to check the peak RSS against, in bytes or as text such as "300MB".
            top: how many stacks to resolve for each phase.
            progress: called now and then while a memray capture is read, with the number of records read and of all
                records.
            details: whether `details` will be asked for next, so that one reading of a capture serves both.

        Raises:
            SettingsError: if the budget is not a size.
            TraceFileError: if a file cannot be read any more.
        """
        limit = None if budget is None else parse_bytes(budget)
        reports = [process.report(top, progress, details=details) for process in self.processes]
        for process, report in zip(self.processes, reports, strict=True):
            for info in report.trace.processes:
                info.running = info.ended != "closed" and process.is_running()
        if self.deep:
            runs = [
                [
                    (process.path.name, process.report(top, progress, details=details and process is run.processes[0]))
                    for process in run.processes
                ]
                for run in self.deep
            ]
            reports = [with_further_runs(*one) for one in pair_processes(reports, runs)]
        inputs = [
            ProcessInput(process.analysis(), report, process.suite_records)
            for process, report in zip(self.processes, reports, strict=True)
        ]
        return summarise(inputs, budget_bytes=limit)

    def report(
        self,
        format: str = "text",
        *,
        budget: int | str | None = None,
        top: int = 5,
        width: int = 100,
        colour: bool = False,
        source: bool = True,
    ) -> str:
        """Render the trace as a report.

        Args:
            format: "text", "markdown", "html", "json", or another that is registered.
            budget: a limit to check the peak RSS against, in bytes or as text such as "300MB".
            top: rows of each table of top allocations.
            width: characters per line, for formats that are read in a terminal.
            colour: whether to use colours, for the same formats.
            source: whether to include lines of source code, for formats that show them.

        Raises:
            SettingsError: if there is no report of that name, or the budget is not a size.
            TraceFileError: if a file cannot be read any more.
        """
        made: Report = plugins.load("fwmemtrace.reports", format)()
        options = Options(width=width, colour=colour, top=top, source=source)
        report = self.summary(budget=budget, top=top, details=isinstance(made, DetailedReport))
        if isinstance(made, DetailedReport):
            return made.render_detailed(report, self.details(report, source=source), options)
        return made.render(report, options)

    def details(
        self, report: results.TraceReport, *, source: bool = True, progress: Progress | None = None
    ) -> results.Details:
        """Return what a page shows beyond the report: single calls, trees of stacks, readings over time, source lines.

        Args:
            report: what `summary` returned.
            source: whether to include lines of source code.
            progress: called now and then while a memray capture is read, with the number of records read and of all
                records.

        Raises:
            TraceFileError: if a file cannot be read any more.
        """
        further = [run.processes[0] for run in self.deep]
        return details_of(self.processes, further, report, source=source, progress=progress)

    def tables(self) -> list[FlatTable]:
        """Return the results as flat tables: phases, imports, ledger, timeline, stacks and tensors.

        Raises:
            TraceFileError: if a file cannot be read any more.
            CaptureError: if a memray capture cannot be read.
        """
        return flat_tables(self.summary(), [process.stacks() for process in self.processes])

    def to_arrow(self) -> dict[str, pyarrow.Table]:
        """Return the tables by name as Arrow tables; docs/exporting.md lists them.

        Raises:
            MissingPackageError: if pyarrow is not installed.
        """
        return data_frames.to_arrow(self.tables())

    def to_pandas(self) -> dict[str, pandas.DataFrame]:
        """Return the tables by name as data frames of pandas.

        Raises:
            MissingPackageError: if pandas is not installed.
        """
        return data_frames.to_pandas(self.tables())

    def to_polars(self) -> dict[str, polars.DataFrame]:
        """Return the tables by name as data frames of polars.

        Raises:
            MissingPackageError: if polars is not installed.
        """
        return data_frames.to_polars(self.tables())

    def capture(self) -> AbstractContextManager[Path]:
        """Provide the first process's memray capture as a file; see `TracedProcess.capture`.

        Raises:
            CaptureError: if it has none, when the block is entered.
        """
        return self.processes[0].capture()


def read(path: str | os.PathLike[str], *more: str | os.PathLike[str]) -> Trace:
    """Open a trace. The files of worker processes next to it are included, and those of `run --deep`.

    Args:
        path: the trace file of the session's first process.
        more: further traces to read together with it.

    Raises:
        TraceFileError: if a file does not exist, is empty, or is not a trace. Damage inside a file is not an error;
            the report says how much of it there is.
    """
    files: dict[Path, TraceFile] = {}
    for given in (path, *more):
        first = open_trace_file(Path(given))
        for file in (first, *workers_of(first)):
            files.setdefault(file.path.resolve(), file)
    first = next(iter(files.values()))
    deep = [Trace([TracedProcess(file) for file in (run, *workers_of(run))]) for run in further_runs(first)]
    return Trace([TracedProcess(file) for file in files.values()], deep)


def workers_of(first: TraceFile) -> list[TraceFile]:
    """Return the trace files next to this one that other processes of the same session wrote."""
    path = first.path
    session = first.session()
    if session is None:
        return []
    found = []
    for candidate in sorted(path.parent.glob(f"{glob.escape(path.stem)}.*{glob.escape(path.suffix)}")):
        number = candidate.name[len(path.stem) + 1 : len(candidate.name) - len(path.suffix)]
        if not _WORKERS_NUMBER.fullmatch(number):
            continue
        try:
            file = open_trace_file(candidate)
            theirs = file.session()
        except (OSError, ValueError):
            continue
        if theirs is not None and theirs.session_id == session.session_id:
            found.append(file)
    return found


def _count(number: int, noun: str, ending: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{ending}"
