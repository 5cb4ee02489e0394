"""Puts the results of all processes of a trace together into one report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .. import results
from ..paths import PhasePath, write
from ..records import Record, SessionBegin
from ..results.suite import Suite
from .collector import CollectorFold
from .growth import GrowthFold
from .holders import HoldersFold
from .imports import ImportFold
from .ledger import LedgerFold
from .ledger_native import name_native_heap
from .objects import ObjectsFold
from .process_fold import Accumulator, ProcessFold
from .python_heap import PythonHeapFold
from .suite.build import build
from .suite.reading import OwnRecords, SuiteProcess
from .tensors import TensorsFold
from .worker_forecast import several


class Health(Protocol):
    """How much of a trace could be read; see `tracefile.reader.Health`."""

    damaged_bytes: int
    unknown_records: int


class Source(Protocol):
    """The records of one process, wherever they come from."""

    @property
    def pid(self) -> int:
        """Of the process."""

    @property
    def health(self) -> Health:
        """What the latest iteration found."""

    def session(self) -> SessionBegin | None:
        """The record that tells of the process."""

    def __iter__(self) -> Iterator[Record]: ...


@dataclass
class ProcessInput:
    """One process's records, and what its memray capture says.

    Attributes:
        source: the records.
        native: the rows of the capture by phase path; None where there is no capture.
        notes: what the reader of the report must know of the capture.
        growth: the trends that the capture shows.
    """

    source: Source
    native: Mapping[PhasePath, results.Native] | None = None
    notes: Sequence[str] = field(default_factory=list)
    growth: Sequence[results.Growth] = field(default_factory=list)


class _Folds:
    """What single probes recorded in one process."""

    def __init__(self, session: SessionBegin | None) -> None:
        self.heap = PythonHeapFold()
        self.objects = ObjectsFold()
        self.tensors = TensorsFold()
        self.collector = CollectorFold()
        self.growth = GrowthFold()
        self.holders = HoldersFold()
        self.imports = ImportFold()
        self.ledger = LedgerFold()
        # These two look at every phase: where their probe was off there is no need to.
        on = None if session is None else session.probes
        self.all: list[Accumulator] = [
            self.heap,
            self.objects,
            self.tensors,
            self.collector,
            self.growth,
            self.holders,
            *([self.imports] if on is None or "imports" in on else []),
            *([self.ledger] if on is None or "mappings" in on else []),
        ]

    def add_to(
        self,
        report: results.TraceReport,
        rows: Mapping[PhasePath, results.PhaseRow],
        pid: int,
        native_growth: Sequence[results.Growth],
    ) -> None:
        """Put what was measured phase by phase into the phases' rows, and the tables of their own into the report.

        A table stays None where no process has the probe on.
        """
        heap, objects = self.heap.result(), self.objects.result()
        tensors, collector = self.tensors.result(), self.collector.result()
        for path, row in rows.items():
            row.python_heap = heap.get(path)
            row.objects = objects.get(path)
            row.tensors = tensors.get(path)
            row.collector = collector.get(path)
        growth = self.growth.result(python_heap=heap, objects=objects, holders=self.holders.result())
        growth += native_growth
        if growth:
            for trend in growth:
                trend.pid = pid
            report.growth = [*(report.growth or []), *growth]
        if self.imports.any:
            report.imports = [*(report.imports or []), *self.imports.imports()]
            report.import_packages = [*(report.import_packages or []), *self.imports.packages()]
            report.import_phases = [*(report.import_phases or []), *self.imports.phases()]
        if self.ledger.any:
            report.ledger = [*(report.ledger or []), *self.ledger.ledgers(pid)]
            report.composition = [*(report.composition or []), *self.ledger.compositions(pid)]


def summarise(inputs: Sequence[ProcessInput], *, budget_bytes: int | None = None) -> results.TraceReport:
    """Analyse a trace.

    Args:
        inputs: a process each, the session's first one first.
        budget_bytes: a limit that the peak RSS is held against.

    Returns:
        The report, with `None` wherever a probe was not on.
    """
    info = results.TraceInfo(complete=True, lost_records=0, damaged_bytes=0, notes=[], processes=[])
    report = results.TraceReport(trace=info, phases=[])
    origin_ns: int | None = None
    suite = OwnRecords()
    for given in inputs:
        folded = _Folds(given.source.session())
        fold = ProcessFold([*folded.all, suite])
        fold.read(given.source)
        if fold.session is not None and origin_ns is None:
            origin_ns = fold.session.time_ns
        pid = fold.session.pid if fold.session is not None else given.source.pid
        process = fold.process(pid)
        info.processes.append(process)
        info.lost_records += process.lost_records
        info.damaged_bytes += given.source.health.damaged_bytes
        info.notes.extend([*fold.notes, *_health_notes(given.source.health), *given.notes])
        rows = fold.phases.rows(pid)
        folded.add_to(report, rows, pid, given.growth)
        report.phases.extend(_with_native(rows, given.native, pid))
        report.overhead.extend(fold.overhead(pid))
        report.timeline.extend(fold.points(pid, origin_ns or 0))
    name_native_heap(report.ledger or [], report.phases)
    report.workers = several(report.composition or []) or None
    info.notes = list(dict.fromkeys(info.notes))
    info.complete = (
        not info.lost_records
        and not info.damaged_bytes
        and all(process.ended == "closed" for process in info.processes)
    )
    if budget_bytes is not None:
        report.budget = check_budget(info.processes, budget_bytes)
    if suite.begin is not None:
        report.suite = _suite(suite, inputs, budget_bytes)
        if report.suite is not None and report.suite.budget is not None:
            # What the service needs, not what some probe made one of the suite's processes need.
            held = report.suite.budget
            report.budget = results.Budget(
                limit_bytes=held.limit_bytes, peak_bytes=held.peak_bytes, exceeded=held.need_bytes > 0
            )
    return report


def _suite(own: OwnRecords, inputs: Sequence[ProcessInput], budget_bytes: int | None) -> Suite | None:
    """What a suite found, from a report of each of its processes by itself."""
    if own.begin is None:
        return None
    by_pid = {given.source.pid: given for given in inputs}
    processes = []
    for run in own.runs:
        given = by_pid.get(run.pid)
        if given is None:
            processes.append(SuiteProcess(run, None, OwnRecords()))
        else:
            processes.append(SuiteProcess(run, summarise([given]), OwnRecords().read(given.source)))
    return build(own.begin, own.members, processes, budget_bytes)


def check_budget(processes: Sequence[results.Process], limit_bytes: int) -> results.Budget:
    """Hold the largest peak of a process against a limit."""
    peak = max((process.peak_bytes for process in processes), default=0)
    return results.Budget(limit_bytes=limit_bytes, peak_bytes=peak, exceeded=peak > limit_bytes)


def _health_notes(health: Health) -> list[str]:
    if not health.unknown_records:
        return []
    return [
        f"{health.unknown_records} records are of a kind that this version does not know: "
        "read the trace with the version that wrote it to see them"
    ]


def _with_native(
    rows: Mapping[PhasePath, results.PhaseRow], native: Mapping[PhasePath, results.Native] | None, pid: int
) -> list[results.PhaseRow]:
    made = list(rows.values())
    if native is None:
        return made
    for path, row in rows.items():
        row.native = native.get(path)
    # A damaged trace may lack a phase that the capture, a file of its own, still tells of.
    missing = [
        results.PhaseRow(path=write(path), pid=pid, calls=0, errors=0, wall_ns=0, resident=None, native=found)
        for path, found in native.items()
        if path not in rows
    ]
    return [*made[:-1], *missing, *made[-1:]]
