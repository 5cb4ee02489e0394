"""The trace of a running session: each look reads only what was written since the one before."""

from __future__ import annotations

import os
from pathlib import Path

from .. import results
from ..analysis.process_analysis import ProcessAnalysis
from ..analysis.summary import ProcessInput, summarise
from ..system.family import is_running
from ..tracefile.follow import FollowedFile
from ..tracefile.reader import TraceFile, open_trace_file
from .trace import workers_of


class _LiveProcess:
    def __init__(self, file: TraceFile) -> None:
        self.followed = FollowedFile(file)
        session = self._session = file.session()
        pid = file.pid if session is None else session.pid
        self.analysis = ProcessAnalysis(pid, None if session is None else session.probes)

    def look(self) -> None:
        self.analysis.read(self.followed.new_records())
        self.analysis.damaged_bytes = self.followed.damaged_bytes

    def report(self) -> results.TraceReport:
        report, session = self.analysis.report(), self._session
        for info in report.trace.processes:
            if session is not None and info.ended != "closed":
                info.running = is_running(session.pid, session.family, session.time_ns)
        return report


class LiveTrace:
    """Follows the trace files of a session, those of workers that start later included.

    Native figures come from captures, which are read once a session has ended: they are in the report of `read`.

    Args:
        path: the trace file of the first process.

    Raises:
        TraceFileError: if it does not exist, or is not a trace.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._processes: dict[Path, _LiveProcess] = {}
        self._open()

    def look(self) -> results.TraceReport:
        """Read what has come since, and return what is known by now.

        Raises:
            TraceFileError: if a file cannot be read any more.
        """
        first = self._processes[self._path]
        if first.followed.replaced:
            self._open()
            first = self._processes[self._path]
        for file in workers_of(first.followed.file):
            known = self._processes.get(file.path)
            if known is None or known.followed.replaced:
                self._processes[file.path] = _LiveProcess(file)
        for process in self._processes.values():
            process.look()
        return summarise([ProcessInput(process.analysis, process.report()) for process in self._processes.values()])

    @property
    def ended(self) -> bool:
        """Whether all sessions were closed by the last look."""
        return all(process.analysis.ended for process in self._processes.values())

    def _open(self) -> None:
        self._processes = {self._path: _LiveProcess(open_trace_file(self._path))}
