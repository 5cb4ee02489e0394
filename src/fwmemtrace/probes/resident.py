"""Records what the operating system counts: RSS over time, USS and PSS around outermost phases, the control group.

RSS and its peak at the edges of every phase are in the phase records themselves; the session reads them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter_ns
from typing import ClassVar

from ..records import CgroupReading, Footprint, Sample
from ..system.cgroup import Group, counting, figure, groups, tightest
from ..tracing.span import Span
from .base import Probe, ProbeContext

# A point of the timeline is worth its bytes only if RSS has moved; one per second shows that it has not.
_WORTH_A_POINT = 64 * 1024
_QUIET_POINT_NS = 1_000_000_000
# A program that is killed at its control group's limit reaches no last edge at which to read the group. So the timeline
# reads it too, and at once when the program grows: the reading before the end matters most.
_GROUP_POINT_NS = 250_000_000
_GROUP_POINT_GROWTH = 8_000_000
# smaps_rollup walks the page tables, milliseconds in a big process: at most this share of the time goes to it.
_FOOTPRINT_SHARE = 0.01
_FOOTPRINT_GAP_NS = 10_000_000  # even if they cost next to nothing, they take room in the trace


class ResidentProbe(Probe):
    """The probe that is always on."""

    name: ClassVar[str] = "resident"
    rank: ClassVar[int] = 0
    measured: ClassVar[bool] = False
    outermost_only: ClassVar[bool] = True

    def __init__(self) -> None:
        self._timeline: _Timeline | None = None
        self._groups: list[Group] = []
        self._next_footprint_ns = 0
        self._footprints = True

    def start(self, context: ProbeContext) -> None:
        self._context = context
        self._budget = context.governor.for_probe(1.0)
        if context.settings.exact_peak and context.meter.peak_source != "kernel":
            context.note(
                "the kernel's high-water mark cannot be reset here: each phase's peak RSS is the largest of the "
                "readings at its edges and of the timeline, which may miss a short peak"
            )
        self._groups = counting(groups())
        self._read_cgroup()
        if context.settings.interval:
            self._timeline = _Timeline(context, self._read_cgroup)

    def phase_began(self, span: Span) -> bool | None:
        if perf_counter_ns() < self._next_footprint_ns or not self._budget.affords():
            return None
        self._footprint(span.id, "begin")
        return True

    def phase_ended(self, span: Span, state: bool | None) -> None:
        if state:
            self._footprint(span.id, "end")

    def _footprint(self, span: int, edge: str) -> None:
        if not self._footprints:
            return
        began = perf_counter_ns()
        try:
            usage = self._context.meter.usage()
        except (OSError, KeyError) as error:
            self._footprints = False
            self._context.note(f"USS and PSS cannot be read here: {error!r}")
            return
        self._context.emit(Footprint(span, edge, began, usage.rss, usage.vms, usage.uss, usage.pss, usage.swap))
        self._read_cgroup()
        ended = perf_counter_ns()
        self._budget.spend(ended - began)
        self._next_footprint_ns = ended + max(_FOOTPRINT_GAP_NS, round((ended - began) / _FOOTPRINT_SHARE))

    def _read_cgroup(self) -> None:
        around = self._groups
        if not around:
            return
        own = around[0]
        current = figure(own, "memory.current")
        if current is None:
            self._groups = []
            return
        peak, bound = figure(own, "memory.peak"), tightest(around)
        now = perf_counter_ns()
        if bound is None:
            reading = CgroupReading(now, current, peak, None)
        elif bound[1] is own:
            reading = CgroupReading(now, current, peak, bound[0])
        else:
            limit, group = bound
            reading = CgroupReading(now, current, peak, limit, group.path, figure(group, "memory.current"))
        self._context.emit(reading)

    def stop(self) -> None:
        if self._timeline is not None:
            self._timeline.stop()
            self._timeline = None
        self._footprint(0, "end")
        self._read_cgroup()

    def after_fork(self, context: ProbeContext) -> None:
        self._timeline = None  # its thread stayed with the parent
        self.start(context)


class _Timeline:
    """A thread that samples RSS, and calls `read_group` now and then."""

    def __init__(self, context: ProbeContext, read_group: Callable[[], None]) -> None:
        self._read_group = read_group
        self._context = context
        self._emit = context.emit
        self._meter = context.meter
        self._interval = context.settings.interval / 1e9
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fwmemtrace timeline", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        last_rss, last_ns = 0, 0
        group_rss, group_ns = 0, perf_counter_ns()
        while not self._stopped.wait(self._interval):
            try:
                rss, now = self._meter.rss(), perf_counter_ns()
                if abs(rss - last_rss) >= _WORTH_A_POINT or now - last_ns >= _QUIET_POINT_NS:
                    self._emit(Sample(now, rss, self._meter.vms()))
                    last_rss, last_ns = rss, now
                    if now - group_ns >= _GROUP_POINT_NS or rss - group_rss >= _GROUP_POINT_GROWTH:
                        self._read_group()
                        group_rss, group_ns = rss, now
            except Exception as error:  # a thread must not print its traceback into the program's output
                self._context.note(f"the timeline was switched off: reading memory raised {error!r}")
                return

    def stop(self) -> None:
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)
