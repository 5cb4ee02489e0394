"""Prometheus: a sink whose figures prometheus_client exposes.

    session(FanOutSink(TraceFileSink("trace.bin"), PrometheusSink()))

It works in prometheus_client's multiprocess mode too, with one sink in each process.
"""

from __future__ import annotations

from math import inf
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from ..records import (
    CgroupReading,
    MappingsReading,
    Overhead,
    PhaseBegin,
    PhaseEnd,
    Record,
    Sample,
    SessionBegin,
    SessionEnd,
)
from .bounded_paths import BoundedPaths
from .time_to_limit import TimeToLimit

__all__ = ["PrometheusSink"]


class PrometheusSink:
    """Keeps Prometheus metrics up to date with the records of a session.

    All sizes are in bytes, all times in seconds, as Prometheus has it. `phase` is the phase's path. `category` is that
    of the ledger, and needs the probe `mappings`.

    Args:
        registry: where the metrics are registered.
        limit_bytes: the limit of this process's memory; by default that of its control group.
        most_phases: how many phases have a label of their own; the others are "other".
    """

    def __init__(
        self,
        registry: CollectorRegistry = REGISTRY,
        *,
        limit_bytes: int | None = None,
        most_phases: int = 100,
    ) -> None:
        def gauge(name: str, text: str, mode: str, labels: tuple[str, ...] = ()) -> Any:
            return Gauge(f"fwmemtrace_{name}", text, labels, registry=registry, multiprocess_mode=mode)

        def counter(name: str, text: str, labels: tuple[str, ...]) -> Any:
            return Counter(f"fwmemtrace_{name}", text, labels, registry=registry)

        self._paths = BoundedPaths(most_phases)
        self._given_limit = limit_bytes
        self._forecast = TimeToLimit()
        self._used = 0
        self._rss = gauge("resident_bytes", "Resident memory of the process", "livesum")
        self._peak = gauge("phase_peak_resident_bytes", "Highest RSS while a phase ran", "max", ("phase",))
        self._change = gauge("phase_resident_change_bytes", "Change of RSS by all calls of a phase", "sum", ("phase",))
        self._open = gauge("phase_open", "Calls of a phase that are running", "livesum", ("phase",))
        self._calls = counter("phase_calls", "Calls of a phase that have ended", ("phase",))
        self._errors = counter("phase_errors", "Calls of a phase that an exception ended", ("phase",))
        self._seconds = counter("phase_seconds", "Time in a phase", ("phase",))
        self._composition = gauge("composition_bytes", "Resident memory by category", "livesum", ("category",))
        self._limit = gauge("limit_bytes", "The memory limit in force; 0 for none", "livemax")
        self._limit_used = gauge("limit_used_bytes", "Memory that counts against the limit", "livemax")
        self._time_left = gauge("seconds_to_limit", "Time until the limit is reached at present growth", "livemin")
        self._overhead = counter("overhead_seconds", "Time that a probe took at the edges of phases", ("probe",))
        self._lost = gauge("lost_records", "Records that did not reach their sink", "livesum")
        self._peaks: dict[str, int] = {}
        self._categories: set[str] = set()
        self._limit.set(limit_bytes or 0)
        self._time_left.set(inf)

    def write(self, record: Record) -> None:
        """Take one record."""
        if isinstance(record, PhaseBegin):
            self._open.labels(self._paths.begin(record)).inc()
            self._rss.set(record.rss_bytes)
        elif isinstance(record, PhaseEnd):
            self._phase_end(record)
        elif isinstance(record, Sample):
            self._reading(record.time_ns, record.rss_bytes)
        elif isinstance(record, MappingsReading):
            self._mappings(record)
        elif isinstance(record, CgroupReading):
            self._cgroup(record)
        elif isinstance(record, Overhead):
            self._overhead.labels(record.probe).inc(record.wall_ns / 1e9)
        elif isinstance(record, SessionBegin):
            self._reading(record.time_ns, record.rss_bytes)
        elif isinstance(record, SessionEnd):
            self._rss.set(record.rss_bytes)
            self._lost.set(record.lost_records)

    def after_fork(self, pid: int) -> None:
        """This is a forked child: its phases begin again."""
        self._paths.clear()

    def _phase_end(self, record: PhaseEnd) -> None:
        found = self._paths.end(record.span)
        if found is None:
            return
        label, begin = found
        self._rss.set(record.rss_bytes)
        self._open.labels(label).dec()
        self._calls.labels(label).inc()
        self._seconds.labels(label).inc(max(record.time_ns - begin.time_ns, 0) / 1e9)
        self._change.labels(label).inc(record.rss_bytes - begin.rss_bytes)
        if record.error is not None:
            self._errors.labels(label).inc()
        if record.peak_rss_bytes > self._peaks.get(label, 0):
            self._peaks[label] = record.peak_rss_bytes
            self._peak.labels(label).set(record.peak_rss_bytes)

    def _mappings(self, record: MappingsReading) -> None:
        if not record.rows:  # those of an earlier reading are still valid
            return
        sizes: dict[str, int] = dict.fromkeys(self._categories, 0)
        for row in record.rows:
            sizes[row.category] = sizes.get(row.category, 0) + row.rss_bytes
        self._categories.update(sizes)
        for category, size in sizes.items():
            self._composition.labels(category).set(size)

    def _cgroup(self, record: CgroupReading) -> None:
        if self._given_limit is None and record.limit_bytes is not None:
            used = record.current_bytes if record.limit_current_bytes is None else record.limit_current_bytes
            self._against_limit(record.time_ns, used, record.limit_bytes)

    def _reading(self, time_ns: int, rss: int) -> None:
        self._rss.set(rss)
        if self._given_limit is not None:
            self._against_limit(time_ns, rss, self._given_limit)

    def _against_limit(self, time_ns: int, used: int, limit: int) -> None:
        self._forecast.add(time_ns, used)
        self._limit.set(limit)
        self._limit_used.set(used)
        self._time_left.set(self._forecast.seconds(used, limit))
