"""One process of a trace. What its files say is analysed once for each state of the files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias

from .. import paths, results
from ..analysis.details import CaptureDetails
from ..analysis.process_analysis import CaptureResults, ProcessAnalysis
from ..analysis.stack_table import StackTable, stack_table
from ..analysis.suite.reading import SuiteRecords
from ..errors import CaptureError
from ..records import Record, SessionBegin
from ..system.family import is_running
from ..tracefile.reader import TraceFile, reserved_from
from .capture import Progress, analyse_capture, capture_beside, capture_of, native_samples
from .heap import analyse_heap, heap_beside, heap_stacks

DEFAULT_TOP = 10  # stacks that are resolved for each phase
_KEPT_REPORTS = 4  # of different `top`s

_FileState: TypeAlias = tuple[int, ...]


class TracedProcess:
    """One process of a trace, such as a worker; `Trace.processes` lists them.

    Results are kept until the trace file or its capture changes. So asking again does not read the files again, but
    for a trace that has grown since.

    Attributes:
        file: the trace file that the process wrote.
    """

    def __init__(self, file: TraceFile) -> None:
        self.file = file
        self._session: SessionBegin | None = None
        self._analysis: tuple[_FileState, ProcessAnalysis] | None = None
        self._suite: tuple[_FileState, SuiteRecords] | None = None
        self._capture: tuple[_FileState, int, CaptureResults | None] | None = None
        self._details: tuple[_FileState, CaptureDetails] | None = None
        self._reports: dict[tuple[_FileState, int], results.TraceReport] = {}

    @property
    def path(self) -> Path:
        """The path of the trace file."""
        return self.file.path

    @property
    def pid(self) -> int:
        """The process id."""
        session = self.session()
        return self.file.pid if session is None else session.pid

    @property
    def records(self) -> Iterable[Record]:
        """The records in the order in which they were written. Each iteration reads the file."""
        return self.file

    @property
    def phases(self) -> list[results.PhaseRow]:
        """A row for each phase path, in tree order, and last the row "" for what happened in no phase."""
        return list(self.report().phases)

    def __getitem__(self, path: str | paths.PhasePath) -> results.PhaseRow:
        """Return the row of a phase.

        Args:
            path: as text such as "main/init", or as a tuple of names such as `("main", "init")`.

        Raises:
            KeyError: if the process has no such phase.
        """
        return find_phase([self], path)

    def __repr__(self) -> str:
        return f"<TracedProcess {self.pid}: {self.path.name}>"

    @contextmanager
    def capture(self) -> Iterator[Path]:
        """Provide the memray capture as a file for as long as the block lasts.

        Raises:
            CaptureError: if the process has none.
        """
        with capture_of(self.file) as path:
            if path is None:
                raise CaptureError(
                    f"{self.path}: no memray capture in this file or next to it; record one with the probe native"
                )
            yield path

    def session(self) -> SessionBegin | None:
        """Return the record that begins the session; None if it is damaged."""
        if self._session is None:
            self._session = self.file.session()
        return self._session

    def is_running(self) -> bool:
        """Return whether the process still runs on this machine."""
        session = self.session()
        return session is not None and is_running(session.pid, session.family, session.time_ns)

    def analysis(self) -> ProcessAnalysis:
        """Return the analysis of the records.

        Raises:
            TraceFileError: if the file cannot be read.
        """
        state = self._file_state()
        if self._analysis is None or self._analysis[0] != state:
            session = self.session()
            analysis = ProcessAnalysis(self.pid, None if session is None else session.probes)
            analysis.read(self.file)
            analysis.damaged_bytes = self.file.health.damaged_bytes
            analysis.lost_records = self.file.health.lost_records
            analysis.unknown_records = self.file.health.unknown_records
            self._analysis = state, analysis
        return self._analysis[1]

    def report(
        self, top: int = DEFAULT_TOP, progress: Progress | None = None, *, details: bool = False
    ) -> results.TraceReport:
        """Return the report of this process alone. Later calls return the same object, so do not change it.

        Args:
            top: how many stacks to resolve for each phase.
            progress: called now and then while a capture is read, with the number of records read and of all records.
            details: whether `capture_details` will be asked for next, so that one reading of the capture serves both.

        Raises:
            TraceFileError: if the file cannot be read.
        """
        state = self._state()
        if (state, top) in self._reports:
            return self._reports[state, top]
        capture = self._capture_results(state, top, progress, details=details)
        report = self.analysis().report(capture, analyse_heap(self.file, self.session(), top))
        if capture is None or capture.complete:
            while len(self._reports) >= _KEPT_REPORTS:
                del self._reports[next(iter(self._reports))]
            self._reports[state, top] = report
        return report

    def capture_details(self, progress: Progress | None = None) -> CaptureDetails | None:
        """Return what a page shows of the capture beyond the report; None if there is none, or it cannot be read.

        They are large, so they are not kept: asking again reads the capture again.

        Args:
            progress: as for `report`.

        Raises:
            TraceFileError: if the file cannot be read.
        """
        state = self._state()
        if self._details is None or self._details[0] != state:
            if self._capture is not None and self._capture[0] == state and self._capture[2] is None:
                return None  # no capture
            self._read_capture(state, DEFAULT_TOP, progress, details=True)
        kept, self._details = self._details, None
        return None if kept is None else kept[1]

    def stacks(self) -> StackTable:
        """Return all stacks of this process with what was measured of each.

        That is native memory, the sampled heap, rises of RSS and the Python heap.

        Raises:
            TraceFileError: if the file cannot be read.
            CaptureError: if the capture cannot be read.
        """
        with native_samples(self.file) as samples:
            return stack_table(self.report(), self.pid, samples, heap_stacks(self.file, self.session()))

    def suite_records(self) -> SuiteRecords:
        """Return what only the processes of a component suite record."""
        state = self._file_state()
        if self._suite is None or self._suite[0] != state:
            self._suite = state, SuiteRecords().read(self.file)
        return self._suite[1]

    def _state(self) -> _FileState:
        """Return figures that change when one of the files does that a report is of."""
        return _state_of(*self.file.paths, capture_beside(self.file), heap_beside(self.file))

    def _file_state(self) -> _FileState:
        return _state_of(*self.file.paths)

    def _capture_results(
        self, state: _FileState, top: int, progress: Progress | None, *, details: bool
    ) -> CaptureResults | None:
        if self._capture is not None:
            known_state, known_top, known = self._capture
            if known_state == state and known is None:
                return None
            if known_state == state and known is not None and known_top >= top:
                return known.first(top)
        return self._read_capture(state, top, progress, details=details)

    def _read_capture(
        self, state: _FileState, top: int, progress: Progress | None, *, details: bool
    ) -> CaptureResults | None:
        capture = analyse_capture(self.file, top, progress, details=details)
        self._details = None
        if capture is not None and capture.details is not None:
            self._details = state, capture.details
            capture = replace(capture, details=None)
        if capture is None or capture.complete:
            self._capture = state, top, capture
        return capture


def find_phase(processes: Iterable[TracedProcess], path: str | paths.PhasePath) -> results.PhaseRow:
    """Return the row of a phase in the first process that has it.

    Args:
        processes: where to look.
        path: as text such as "main/init", or as a tuple of names.

    Raises:
        KeyError: if no process has it.
    """
    wanted = path if isinstance(path, str) else paths.write(path)
    known: dict[str, None] = {}
    for process in processes:
        for row in process.report().phases:
            if row.path == wanted:
                return row
            known[row.path] = None
    close = get_close_matches(wanted, known, n=1)
    raise KeyError(f"no phase {wanted!r}" + (f"; did you mean {close[0]!r}?" if close else ""))


def _state_of(*paths: Path) -> _FileState:
    """Return figures that change when one of the files is written to or replaced; none for one that is missing."""
    figures: list[int] = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            continue
        figures += (stat.st_dev, stat.st_ino, reserved_from(path), stat.st_mtime_ns)
    return tuple(figures)
