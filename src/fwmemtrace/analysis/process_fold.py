"""Folds the records of one process in a single pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Protocol

import msgspec

from .. import results
from ..paths import OUTSIDE, PhasePath, is_inside, write
from ..records import (
    AddressSpaceLimit,
    CallTotals,
    CgroupReading,
    Footprint,
    ModuleImport,
    Note,
    Overhead,
    PhaseAttributes,
    PhaseBegin,
    PhaseEnd,
    Record,
    Sample,
    SessionBegin,
    SessionEnd,
    TracePart,
    UnmeasuredCalls,
)
from ..values import LONGEST_TEXT
from .limits import LimitsFold
from .open_phases import MOST_LEVELS, OTHERS, OpenPhases
from .phase_rows import PhaseRowFold
from .timeline import LastRise, TimelineFold

_MOST_NOTES = 500
# Kinds that count for the phase around a call that has no row. All others are about a whole call, as its edges are.
_IN_ANY_CALL = {ModuleImport, Overhead}


class Fold(Protocol):
    """Folds what one probe recorded in one process.

    Whatever a fold returns is a snapshot: it can be asked for at any time and does not change when more records come.
    """

    takes: ClassVar[tuple[type[Record], ...]]

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record of one of the kinds in `takes`; `path` is that of its phase, `OUTSIDE` if it has none."""


class ProcessFold:
    """Folds the process's own figures, and passes records on to the folds of single probes.

    Args:
        folds: each is given the records that it takes.

    Attributes:
        session: the start of the session; None if damage took it or it has not come yet.
        end: the end of the session; None as long as it has not come.
        records: how many records were added.
        dropped_records: how many were dropped to keep the trace below a size.
    """

    def __init__(self, folds: Sequence[Fold] = ()) -> None:
        self._takers: dict[type[Record], list[Callable[[Record, PhasePath], None]]] = {}
        for fold in folds:
            for kind in fold.takes:
                self._takers.setdefault(kind, []).append(fold.add)
        self._open = OpenPhases()
        self._phases = PhaseRowFold()
        self._timeline = TimelineFold()
        self._limits = LimitsFold()
        self._memory_error_in: PhasePath | None = None
        self._footprint: Footprint | None = None
        self._overhead: dict[str, results.Overhead] = {}
        self.session: SessionBegin | None = None
        self.end: SessionEnd | None = None
        self._notes: list[str] = []
        self._more_notes = 0
        self.records = self.dropped_records = 0
        self._handlers: dict[type[Record], Callable[..., None]] = {
            SessionBegin: self._session_begin,
            PhaseBegin: self._phase_begin,
            PhaseAttributes: self._phase_attributes,
            PhaseEnd: self._phase_end,
            Sample: self._sample,
            Footprint: self._footprint_reading,
            CgroupReading: self._limits.control_group,
            AddressSpaceLimit: self._limits.address_space_limit,
            Overhead: self._overhead_reading,
            Note: self._note,
            UnmeasuredCalls: self._phases.unmeasured,
            CallTotals: self._phases.at_least,
            TracePart: self._part,
            SessionEnd: self._session_end,
        }

    def add(self, record: Record) -> None:
        """Add one record."""
        self.read((record,))

    def read(self, records: Iterable[Record]) -> None:
        """Add records, in the order in which the process wrote them."""
        handlers, takers, path_of, has_row = self._handlers, self._takers, self._open.path, self._open.has_row
        for record in records:
            self.records += 1
            kind = type(record)
            if kind in handlers:
                handlers[kind](record)
            if kind in takers:
                span = getattr(record, "span", 0)
                if not span or has_row(span) or kind in _IN_ANY_CALL:
                    path = path_of(span)
                    for take in takers[kind]:
                        take(record, path)
            if kind is PhaseEnd:  # only now: the folds were given the path of the phase that ends
                self._open.end(record)  # type: ignore[arg-type]

    def _session_begin(self, record: SessionBegin) -> None:
        self.session = record
        self._phases.session_begin(record)
        self._timeline.add(record.time_ns, record.rss_bytes, OUTSIDE)

    def _phase_begin(self, record: PhaseBegin) -> None:
        self._memory_error_in = None
        opened = self._open.begin(record)
        if opened is None:
            self._phases.reading(record.rss_bytes, record.time_ns)
            return
        self._phases.begin(record, opened)
        self._timeline.add(record.time_ns, record.rss_bytes, opened.path)

    def _phase_attributes(self, record: PhaseAttributes) -> None:
        opened = self._open.by_span.get(record.span)
        if opened is not None:
            self._phases.attributes(record, opened)

    def _phase_end(self, record: PhaseEnd) -> None:
        ending = self._open.by_span.get(record.span)
        if ending is not None:
            if ending.begin.span != record.span:
                self._phases.reading(max(record.rss_bytes, record.peak_rss_bytes), record.time_ns)
                self._phases.reading(record.rss_bytes, record.time_ns)
                return
            self._note_memory_error(record.error, ending.path)
            self._phases.end(record, ending)
            self._timeline.add(record.time_ns, record.rss_bytes, ending.path)

    def _part(self, record: TracePart) -> None:
        """Take note of what is missing: such a record follows parts that were dropped, and comes nowhere else."""
        self.dropped_records = max(self.dropped_records, record.records - record.first_records)

    def _note_memory_error(self, error: str | None, path: PhasePath) -> None:
        inner = self._memory_error_in
        if inner is None:
            # That of torch is about the memory of an accelerator.
            if error is not None and error.endswith("MemoryError") and not error.endswith("OutOfMemoryError"):
                self._memory_error_in = path
        elif error is None and is_inside(inner, path):
            self._memory_error_in = None  # it was handled

    def _sample(self, record: Sample) -> None:
        self._phases.reading(record.rss_bytes, record.time_ns)
        self._limits.sample(record)
        latest = self._open.latest()
        self._timeline.add(record.time_ns, record.rss_bytes, OUTSIDE if latest is None else latest.path)

    def _footprint_reading(self, record: Footprint) -> None:
        self._footprint = record

    def _overhead_reading(self, record: Overhead) -> None:
        cost = self._overhead.get(record.probe)
        if cost is None:
            cost = self._overhead[record.probe] = results.Overhead(pid=0, probe=record.probe, wall_ns=0, rss_bytes=0)
        cost.wall_ns += record.wall_ns
        cost.rss_bytes += record.rss_bytes
        if not record.stopping:
            cost.during_bytes += record.rss_bytes
        self._phases.overhead(record, self._open.by_span.get(record.span))

    def _note(self, record: Note) -> None:
        if len(self._notes) < _MOST_NOTES:
            self._notes.append(f"{record.source}: {record.message}"[:LONGEST_TEXT])
        else:
            self._more_notes += 1

    @property
    def notes(self) -> list[str]:
        """The notes of probes and sinks, each with its source, and what the limits of a report left out."""
        notes = list(self._notes)
        if self._more_notes:
            notes.append(f"trace: {self._more_notes:,} further notes are left out")
        if self._open.without_row:
            notes.append(
                f"trace: {self._open.without_row:,} calls are nested more than {MOST_LEVELS} levels deep, or in phases "
                "with very long names; they count as part of the phase around them"
            )
        if self._open.too_many:
            notes.append(f"trace: there are too many phases; further ones are in rows called {OTHERS!r}")
        return notes

    def _session_end(self, record: SessionEnd) -> None:
        self.end = record
        self._phases.session_end(record)
        self._timeline.add(record.time_ns, record.rss_bytes, OUTSIDE)

    def process(self, pid: int) -> results.Process:
        """Return the figures of the process as a whole.

        Args:
            pid: of the process.
        """
        session, phases = self.session, self._phases
        latest = self._open.latest()
        return results.Process(
            pid=pid,
            parent_pid=session.parent_pid if session else 0,
            python=session.python if session else "unknown",
            platform=session.platform if session else "unknown",
            command=list(session.command) if session else [],
            started_unix_ns=session.started_unix_ns if session else 0,
            ended="closed" if self.end is not None else "not closed",
            last_phase=None if self.end is not None or latest is None else write(latest.path),
            peak_source="kernel" if session is not None and session.peak_source == "kernel" else "sampled",
            probes=list(session.probes) if session else [],
            wall_ns=phases.wall_ns,
            before_session_bytes=phases.before_bytes,
            end_bytes=phases.last_rss,
            peak_bytes=phases.peak,
            outside_phases_bytes=phases.outside_bytes,
            overlap_bytes=phases.overlap_bytes,
            lost_records=self.end.lost_records if self.end else 0,
            cgroup=self._limits.cgroup,
            address_space=self._limits.address_space,
            memory_error_in=None if self._memory_error_in is None else write(self._memory_error_in),
            uss_bytes=self._footprint.uss_bytes if self._footprint else None,
            pss_bytes=self._footprint.pss_bytes if self._footprint else None,
            service=session.service if session else "",
            instance=session.instance if session else "",
            labels=dict(session.labels) if session else {},
            counter_slack_bytes=session.counter_slack_bytes if session else 0,
        )

    @property
    def last_rise(self) -> LastRise:
        """How RSS rose to its latest height, by the monotonic clock."""
        return self._timeline.last_rise()

    @property
    def paths(self) -> int:
        """The number of phase paths."""
        return self._phases.paths

    def phases(self, pid: int) -> dict[PhasePath, results.PhaseRow]:
        """Return a row for each phase path, a phase before the phases inside it, and last the row for "no phase".

        A phase that is still open counts as if it had ended with the latest reading.

        Args:
            pid: of the process.
        """
        return self._phases.rows(pid, self._open.calls())

    def overhead(self, pid: int) -> list[results.Overhead]:
        """Return what each probe cost.

        Args:
            pid: of the process.
        """
        return [msgspec.structs.replace(cost, pid=pid) for cost in self._overhead.values()]

    def timeline(self, pid: int, origin_ns: int) -> list[results.TimelinePoint]:
        """Return RSS over time.

        Args:
            pid: of the process.
            origin_ns: the moment that counts as 0, by the monotonic clock.
        """
        return [
            results.TimelinePoint(
                pid=pid, at_ns=sample.time_ns - origin_ns, rss_bytes=sample.rss_bytes, phase=write(sample.phase)
            )
            for sample in self._timeline.samples()
        ]
