"""Records what the operating system counts: RSS over time, USS and PSS around outermost phases, the control group.

RSS and its peak at the edges of every phase are in the phase records themselves; the session reads them.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import ClassVar

from ...foreign_errors import is_passing, pass_on
from ...records import AddressSpaceLimit, CgroupReading, Footprint
from ...system import address_space
from ...system.cgroup import Group, figure, memory_groups, tightest
from ...tracing.span import Span
from ..base import Probe, ProbeContext
from .timeline import Timeline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .triggers import Triggers

# smaps_rollup walks the page tables, milliseconds in a big process: at most this share of the time goes to it. A
# service has outermost phases all the time, and its report shows the latest reading only.
_FOOTPRINT_SHARE = 0.002
_FOOTPRINT_GAP_NS = 10_000_000  # even if they cost next to nothing, they take room in the trace


_IN_PRODUCTION = ("90%",)


class ResidentProbe(Probe):
    """The probe that is always on."""

    name: ClassVar[str] = "resident"
    rank: ClassVar[int] = 0
    measured: ClassVar[bool] = False
    outermost_only: ClassVar[bool] = True

    def __init__(self) -> None:
        self._timeline: Timeline | None = None
        self._groups: list[Group] = []
        self._address_space: int | None = None
        self._next_footprint_ns = 0
        self._footprints = True
        self._forked = False

    def start(self, context: ProbeContext) -> None:
        self._context = context
        self._budget = context.governor.for_probe(1.0)
        if context.settings.exact_peak and context.meter.peak_source != "kernel":
            context.note(
                "the kernel's high-water mark cannot be reset here: each phase's peak RSS is the largest of the "
                "readings at its edges and of the timeline, which may miss a short peak"
            )
        self._groups = memory_groups()
        self._address_space = None
        self._read_limits()
        if context.settings.interval:
            self._timeline = Timeline(context, self._read_limits, forked=self._forked, triggers=self._triggers())
            self._timeline.begin()

    def _triggers(self) -> Triggers | None:
        settings = self._context.settings
        conditions = settings.triggers or (_IN_PRODUCTION if settings.mode == "production" else ())
        if not conditions:
            return None
        # Now: there may be no memory to import it later, no descriptor, or no right.
        from .snapshots import take
        from .triggers import Triggers

        def fire(reason: str, limit_bytes: int | None) -> None:
            take(self._context, reason, limit_bytes)
            self._context.snapshot(reason)

        return Triggers(
            conditions,
            self._groups,
            self._context.meter.vms,
            fire,
        )

    def snapshot(self, reason: str) -> None:
        from .snapshots import take

        take(self._context, reason, None)
        self._read_limits()

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
            pass_on(error)
            if is_passing(error):
                return
            self._footprints = False
            self._context.note(f"USS and PSS cannot be read here: {error!r}")
            return
        self._context.emit(Footprint(span, edge, began, usage.rss, usage.vms, usage.uss, usage.pss, usage.swap))
        self._read_limits()
        ended = perf_counter_ns()
        self._budget.spend(ended - began)
        # From the pause of the reading before on: a phase that was read when it began is read when it ends in any case.
        pause_ns = max(_FOOTPRINT_GAP_NS, round((ended - began) / _FOOTPRINT_SHARE))
        self._next_footprint_ns = max(self._next_footprint_ns, ended) + pause_ns

    def _read_limits(self) -> None:
        limit = address_space.limit()
        if limit != self._address_space:
            self._address_space = limit
            self._context.emit(AddressSpaceLimit(perf_counter_ns(), limit, self._context.meter.vms()))
        self._read_cgroup()

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
        self._read_limits()

    def after_fork(self, context: ProbeContext) -> None:
        if self._timeline is not None:
            self._timeline.after_fork()
            self._timeline = None
        self._forked = True
        self.start(context)
