"""Follows the traces that the processes of one machine write into a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .. import results
from ..errors import FwmemtraceError
from ..reports import Options
from ..reports.blocks import Bytes, Code, Column, Document, Prose, Section, Sentence, Table
from ..reports.terminal import write_text
from ..trace import TracedProcess
from .dataset import Dataset
from .rows import growth_per_hour, rows_of
from .traces import find_traces, processes_of


class Watcher:
    """Reads traces again as they grow.

    Args:
        folder: where they are, at any depth.
        dataset: takes the processes that have ended; None for none.
    """

    def __init__(self, folder: Path, dataset: Dataset | None = None) -> None:
        self._folder = folder
        self._dataset = dataset
        self._processes: dict[Path, TracedProcess] = {}
        self._added: set[Path] = set()

    def look(self, options: Options) -> str:
        """Read what is new, and return a table of all processes, the largest first."""
        for process in processes_of(find_traces([str(self._folder)]), _ignore):
            self._processes.setdefault(process.path, process)
        rows = []
        for path, process in list(self._processes.items()):
            try:
                report = process.report(0)
            except (FwmemtraceError, OSError):  # it was removed
                del self._processes[path]
                continue
            rows += [(info, report.timeline) for info in report.trace.processes]
            self._keep(path, process, report)
        rows.sort(key=lambda row: row[0].end_bytes, reverse=True)
        names = [Column("pid", "right"), Column("service"), Column("phase")]
        columns = [*names, *(Column(name, "right") for name in _FIGURES)]
        table = Table("processes", columns, [list(_cells(info, line)) for info, line in rows])
        blocks = [table] if rows else [Prose("none", [["No traces yet."]])]
        return write_text(Document("Processes", [Section("processes", str(self._folder), [*blocks])]), options)

    def _keep(self, path: Path, process: TracedProcess, report: results.TraceReport) -> None:
        session = process.session()
        if self._dataset is None or session is None or path in self._added:
            return
        if all(info.ended == "closed" or not _is_alive(info.pid) for info in report.trace.processes):
            self._dataset.add([rows_of(session, report)])
            self._added.add(path)


_LEAST_NS = 60_000_000_000  # that a process must have run to say by how much it would grow in an hour
_FIGURES = ("RSS", "peak", "growth per hour", "limit")


def _cells(info: results.Process, timeline: list[results.TimelinePoint]) -> Iterator[Sentence]:
    yield str(info.pid)
    yield Code(info.service)
    yield "ended" if info.ended == "closed" else Code(info.last_phase or "")
    yield Bytes(info.end_bytes)
    yield Bytes(info.peak_bytes)
    long_enough = timeline and timeline[-1].at_ns - timeline[0].at_ns >= _LEAST_NS
    yield Bytes(growth_per_hour(timeline), signed=True) if long_enough else ""
    limit = None if info.cgroup is None else info.cgroup.limit_bytes
    yield "" if limit is None else Bytes(limit)


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _ignore(path: Path, error: Exception) -> None:
    """Leave out files that are no traces, or not yet."""
