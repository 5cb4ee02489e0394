"""Analyses one process of a trace: all folds together, and the report of that process alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from .. import results
from ..capture.heap_rows import HeapResults
from ..capture.own_frames import is_program_code
from ..paths import PhasePath, write
from ..records import Record
from .collector import CollectorFold
from .details import CaptureDetails
from .growth import GrowthFold
from .holders import HoldersFold
from .imports import ImportFold
from .ledger import LedgerFold
from .ledger_native import name_native_heap
from .objects import ObjectsFold
from .process_fold import Fold, ProcessFold
from .python_heap import PythonHeapFold
from .rise_lines import rise_lines
from .rises import RisesFold
from .suite.reading import SuiteRecords
from .tensors import TensorsFold
from .timeline import LastRise
from .worker_forecast import several


@dataclass(frozen=True)
class CaptureResults:
    """What the capture of one process says.

    Attributes:
        rows: the native figures by phase path; None if the capture cannot be read.
        notes: what a reader of the report has to know about the capture.
        growth: the growth of native memory, by phase.
        complete: whether all of the capture was read.
        details: what a page shows beyond that, if it was asked for.
    """

    rows: Mapping[PhasePath, results.Native] | None = None
    notes: Sequence[str] = field(default_factory=list)
    growth: Sequence[results.Growth] = field(default_factory=list)
    complete: bool = True
    details: CaptureDetails | None = None

    def first(self, top: int) -> CaptureResults:
        """Return the same with this many stacks for each phase at most."""
        if self.rows is None:
            return self
        rows = {
            path: msgspec.structs.replace(row, top=row.top[:top], at_peak=row.at_peak[:top])
            for path, row in self.rows.items()
        }
        return replace(self, rows=rows)


class ProcessAnalysis:
    """Analyses the records of one process. Add records and ask for the `report` in any order, as often as needed.

    Args:
        pid: of the process.
        probes: the probes of its session, which spares work for those that were off; None if they are not known.

    Attributes:
        damaged_bytes: bytes of the trace file that belong to no whole record; set by the reader of the file.
        lost_records: records for which the writer of the file had no room; set by the reader of the file.
        unknown_records: records of a kind that this version does not know; set by the reader of the file.
        suite: the records of a component suite.
    """

    def __init__(self, pid: int, probes: Collection[str] | None = None) -> None:
        self.pid = pid
        self.damaged_bytes = 0
        self.lost_records = 0
        self.unknown_records = 0
        self.suite = SuiteRecords()
        self._python_heap = PythonHeapFold()
        self._objects = ObjectsFold()
        self._tensors = TensorsFold()
        self._collector = CollectorFold()
        self._growth = GrowthFold()
        self._holders = HoldersFold()
        self._imports = ImportFold()
        self._ledger = LedgerFold()
        self._rises = RisesFold(is_program_code)
        folds: list[Fold] = [
            self._python_heap,
            self._objects,
            self._tensors,
            self._collector,
            self._growth,
            self._holders,
            self._rises,
            self.suite,
        ]
        # These two take the edges of every phase, for nothing if their probe is off.
        if probes is None or "imports" in probes:
            folds.append(self._imports)
        if probes is None or "mappings" in probes:
            folds.append(self._ledger)
        self._process = ProcessFold(folds)

    def add(self, record: Record) -> None:
        """Add one record."""
        self._process.add(record)

    def read(self, records: Iterable[Record]) -> None:
        """Add records, in the order in which the process wrote them."""
        self._process.read(records)

    @property
    def began_ns(self) -> int | None:
        """When the session began, by the monotonic clock; None if its first record is damaged or has not come yet."""
        return None if self._process.session is None else self._process.session.time_ns

    @property
    def last_rise(self) -> LastRise:
        """How RSS rose to its latest height; its times are counted from the start of the session."""
        rise = self._process.last_rise
        return replace(rise, begin_ns=rise.begin_ns - (self.began_ns or 0))

    @property
    def records(self) -> int:
        """The number of records."""
        return self._process.records

    @property
    def phases(self) -> int:
        """The number of phase paths."""
        return self._process.paths

    @property
    def ended(self) -> bool:
        """Whether the session was closed in order."""
        return self._process.end is not None

    @property
    def complete(self) -> bool:
        """Whether the session was closed in order, no record is missing, and no byte of the file is damaged."""
        end = self._process.end
        missing = self.lost_records or self.damaged_bytes or self._process.dropped_records
        return end is not None and not (end.lost_records or missing)

    def report(self, capture: CaptureResults | None = None, heap: HeapResults | None = None) -> results.TraceReport:
        """Return what is known so far, as the report of this process alone.

        Args:
            capture: what the process's capture says; None if it has none.
            heap: what its sampled heap says; None if it has none.

        Returns:
            A snapshot that later records do not change, with None wherever a probe was not on.
        """
        fold, pid = self._process, self.pid
        process = fold.process(pid)
        process.lost_records = max(process.lost_records, self.lost_records)
        rows = fold.phases(pid)
        python_heap, objects = self._python_heap.result(), self._objects.result()
        tensors, collector = self._tensors.result(), self._collector.result()
        for path, row in rows.items():
            row.python_heap = python_heap.get(path)
            row.objects = objects.get(path)
            row.tensors = tensors.get(path)
            row.collector = collector.get(path)
        growth = self._growth.result(python_heap=python_heap, objects=objects, holders=self._holders.result())
        phases = list(rows.values())
        notes = [*fold.notes, *_reading_notes(self.unknown_records)]
        if capture is not None:
            growth += capture.growth
            notes += capture.notes
            if capture.rows is not None:
                phases = _with_native(phases, capture.rows, pid)
        if heap is not None:
            notes += heap.notes
            phases = _with_heap(phases, heap.rows, pid)
        for trend in growth:
            trend.pid = pid
        rises = self._rises.result(pid)
        compositions = self._ledger.compositions(pid) if self._ledger.any else None
        report = results.TraceReport(
            trace=results.TraceInfo(
                complete=self.complete,
                lost_records=process.lost_records,
                dropped_records=fold.dropped_records,
                damaged_bytes=self.damaged_bytes,
                notes=notes,
                processes=[process],
                interrupted=capture is not None and not capture.complete,
            ),
            phases=phases,
            imports=self._imports.imports(self.pid) if self._imports.any else None,
            import_packages=self._imports.packages(self.pid) if self._imports.any else None,
            import_phases=self._imports.phases(self.pid) if self._imports.any else None,
            ledger=self._ledger.ledgers(pid) if self._ledger.any else None,
            composition=compositions,
            workers=several(compositions or []) or None,
            growth=growth or None,
            rises=None if rises is None else [rises],
            overhead=fold.overhead(pid),
            timeline=fold.timeline(pid, self.began_ns or 0),
        )
        name_native_heap(report.ledger or [], phases)
        if rises is not None:
            rises.lines = rise_lines(rises.stacks, report.ledger or [], report.import_phases or [])
        return report


def _reading_notes(unknown_records: int) -> list[str]:
    if not unknown_records:
        return []
    what = "1 record is" if unknown_records == 1 else f"{unknown_records} records are"
    return [f"{what} of a kind that this version does not know; read the trace with the version that wrote it"]


def _with_native(
    rows: Sequence[results.PhaseRow], native: Mapping[PhasePath, results.Native], pid: int
) -> list[results.PhaseRow]:
    """Put the native figures into the rows of their phases."""
    known = _with_rows_of(rows, native, pid)
    for row in known:
        row.native = native.get(row.names)
    return known


def _with_heap(
    rows: Sequence[results.PhaseRow], heap: Mapping[PhasePath, results.Heap], pid: int
) -> list[results.PhaseRow]:
    """Put the figures of the sampled heap into the rows of their phases."""
    known = _with_rows_of(rows, heap, pid)
    for row in known:
        row.heap = heap.get(row.names)
    return known


def _with_rows_of(rows: Sequence[results.PhaseRow], paths: Collection[PhasePath], pid: int) -> list[results.PhaseRow]:
    """Add rows for phases that a damaged trace has lost and a file next to it has; that for "no phase" stays last."""
    known = {row.names for row in rows}
    missing = [
        results.PhaseRow(path=write(path), pid=pid, calls=0, errors=0, wall_ns=0, resident=None)
        for path in paths
        if path not in known
    ]
    *inside, outside = rows
    return [*inside, *missing, outside]
