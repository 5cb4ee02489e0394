"""One pass over the records of one process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Protocol

from .. import results
from ..paths import OUTSIDE, PhasePath, write
from ..records import (
    CgroupReading,
    Footprint,
    Note,
    Overhead,
    PhaseBegin,
    PhaseEnd,
    Record,
    Sample,
    SessionBegin,
    SessionEnd,
)
from .open_spans import Spans
from .phase_rows import PhaseFold
from .timeline import TimelineFold


class Accumulator(Protocol):
    """Takes those records of one process that it asks for, one after another."""

    takes: ClassVar[tuple[type[Record], ...]]

    def add(self, record: Record, path: PhasePath) -> None:
        """Take one record; `path` is that of the phase it names, `()` where it names none."""


class ProcessFold:
    """What one process's records say. Feed it with `read`, then ask.

    Args:
        others: accumulators of what single probes recorded, given the records that they take.
    """

    def __init__(self, others: Sequence[Accumulator] = ()) -> None:
        self._others: dict[type[Record], list[Callable[[Record, PhasePath], None]]] = {}
        for other in others:
            for kind in other.takes:
                self._others.setdefault(kind, []).append(other.add)
        self._spans = Spans()
        self.phases = PhaseFold()
        self.timeline = TimelineFold()
        self.session: SessionBegin | None = None
        self.end: SessionEnd | None = None
        self.notes: list[str] = []
        self.last_phase: PhasePath | None = None
        self._cgroup: results.Cgroup | None = None
        self._footprint: Footprint | None = None
        self._overhead: dict[str, tuple[int, int]] = {}
        self._handlers: dict[type[Record], Callable[..., None]] = {
            SessionBegin: self._session_begin,
            PhaseBegin: self._phase_begin,
            PhaseEnd: self._phase_end,
            Sample: self._sample,
            Footprint: self._footprint_read,
            CgroupReading: self._cgroup_read,
            Overhead: self._overhead_told,
            Note: self._note,
            SessionEnd: self._session_end,
        }

    def read(self, records: Iterable[Record]) -> None:
        """Take in all the records there are."""
        handlers, others, path_of = self._handlers, self._others, self._spans.path
        for record in records:
            kind = type(record)
            if kind in handlers:
                handlers[kind](record)
            if kind in others:
                path = path_of(getattr(record, "span", 0))
                for take in others[kind]:
                    take(record, path)
            if kind is PhaseEnd:
                self._spans.end(record)  # type: ignore[arg-type]
        latest = self._spans.latest()
        if self.end is None and latest is not None:
            self.last_phase = latest.path
        self.phases.finish(list(self._spans.open.values()))

    def _session_begin(self, record: SessionBegin) -> None:
        self.session = record
        self.phases.session(record)
        self.timeline.add(record.time_ns, record.rss_bytes, OUTSIDE)

    def _phase_begin(self, record: PhaseBegin) -> None:
        span = self._spans.begin(record)
        self.phases.begin(record, span)
        self.timeline.add(record.time_ns, record.rss_bytes, span.path)

    def _phase_end(self, record: PhaseEnd) -> None:
        span = self._spans.open.get(record.span)
        if span is not None:
            self.phases.end(record, span)
            self.timeline.add(record.time_ns, record.rss_bytes, span.path)

    def _sample(self, record: Sample) -> None:
        self.phases.reading(record.rss_bytes, record.time_ns)
        latest = self._spans.latest()
        self.timeline.add(record.time_ns, record.rss_bytes, OUTSIDE if latest is None else latest.path)

    def _footprint_read(self, record: Footprint) -> None:
        self._footprint = record

    def _cgroup_read(self, record: CgroupReading) -> None:
        before = self._cgroup
        current, peak, around = record.current_bytes, record.peak_bytes, record.limit_current_bytes
        if before is not None:
            current = max(before.current_bytes, current)
            peak = _larger(before.peak_bytes, peak)
            if before.limit_group == (record.limit_group or None):
                around = _larger(before.limit_current_bytes, around)
        self._cgroup = results.Cgroup(
            current_bytes=current,
            peak_bytes=peak,
            limit_bytes=record.limit_bytes,
            limit_group=record.limit_group or None,
            limit_current_bytes=around,
        )

    def _overhead_told(self, record: Overhead) -> None:
        wall_ns, rss = self._overhead.get(record.probe, (0, 0))
        self._overhead[record.probe] = wall_ns + record.wall_ns, rss + record.rss_bytes
        self.phases.overhead(record, self._spans.open.get(record.span))

    def _note(self, record: Note) -> None:
        self.notes.append(f"{record.source}: {record.message}")

    def _session_end(self, record: SessionEnd) -> None:
        self.end = record
        self.phases.session_end(record)
        self.timeline.add(record.time_ns, record.rss_bytes, OUTSIDE)

    def process(self, pid: int) -> results.Process:
        """The process itself.

        Args:
            pid: what the file's header says, for a trace whose first record is damaged.
        """
        session, phases = self.session, self.phases
        return results.Process(
            pid=pid,
            parent_pid=session.parent_pid if session else 0,
            python=session.python if session else "unknown",
            platform=session.platform if session else "unknown",
            command=session.command if session else [],
            started_unix_ns=session.started_unix_ns if session else 0,
            ended="closed" if self.end is not None else "not closed",
            last_phase=None if self.last_phase is None else write(self.last_phase),
            peak_source="kernel" if session is not None and session.peak_source == "kernel" else "sampled",
            probes=session.probes if session else [],
            wall_ns=phases.wall_ns,
            before_session_bytes=phases.before_bytes,
            end_bytes=phases.last_rss,
            peak_bytes=phases.peak,
            outside_phases_bytes=phases.outside_bytes,
            overlap_bytes=phases.overlap_bytes,
            lost_records=self.end.lost_records if self.end else 0,
            cgroup=self._cgroup,
            uss_bytes=self._footprint.uss_bytes if self._footprint else None,
            pss_bytes=self._footprint.pss_bytes if self._footprint else None,
            service=session.service if session else "",
            instance=session.instance if session else "",
            labels=session.labels if session else {},
        )

    def overhead(self, pid: int) -> list[results.Overhead]:
        """What each probe cost."""
        return [
            results.Overhead(pid=pid, probe=probe, wall_ns=wall_ns, rss_bytes=rss)
            for probe, (wall_ns, rss) in self._overhead.items()
        ]

    def points(self, pid: int, origin_ns: int) -> list[results.TimelinePoint]:
        """The timeline, from a moment of the monotonic clock on."""
        return [
            results.TimelinePoint(
                pid=pid, at_ns=point.time_ns - origin_ns, rss_bytes=point.rss_bytes, phase=write(point.phase)
            )
            for point in self.timeline.points()
        ]


def _larger(one: int | None, other: int | None) -> int | None:
    return max((figure for figure in (one, other) if figure is not None), default=None)
