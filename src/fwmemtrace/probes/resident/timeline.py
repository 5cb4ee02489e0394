"""Samples RSS over time in a thread of its own, more often while it rises."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter_ns, thread_time_ns

from ...records import Sample
from ...system.threads import page_faults
from ..base import ProbeContext
from .rises import RiseSampler

# A point of the timeline is worth its bytes only if RSS has moved; one per second shows that it has not.
_WORTH_A_POINT = 64 * 1024
_QUIET_POINT_NS = 1_000_000_000
# A program that is killed at its control group's limit reaches no last edge at which to read the group. So the timeline
# reads it too, and at once when the program grows: the reading before the end matters most.
_GROUP_POINT_NS = 250_000_000
_GROUP_POINT_GROWTH = 8_000_000
# While RSS rises, the stack is looked at every millisecond. Each look without a rise makes the pause longer again. A
# function that allocates and returns between two looks is missed, so the pause stays short as long as that is cheap.
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.01
_LONGER = 2
_SHARE = 0.01  # of the time, at most, for the processor time of this thread
_ADVANCE_NS = 20_000_000


class Timeline:
    """A thread that samples RSS, and calls `read_group` now and then."""

    def __init__(self, context: ProbeContext, read_group: Callable[[], None]) -> None:
        self._read_group = read_group
        self._context = context
        self._emit = context.emit
        self._meter = context.meter
        self._interval = context.settings.interval / 1e9
        self._budget = context.governor.for_probe(_SHARE, advance_ns=_ADVANCE_NS)
        self._rises = RiseSampler(context.emit, context.meter.rss(), context.attribution.bytes_at, page_faults)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fwmemtrace timeline", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._sample()
        except Exception as error:  # a thread must not print its traceback into the program's output
            self._context.note(f"the timeline was switched off: reading memory raised {error!r}")

    def _sample(self) -> None:
        last_rss, last_ns = 0, 0
        group_rss, group_ns = 0, perf_counter_ns()
        pause, spent = min(self._interval, _SHORTEST_PAUSE_S), thread_time_ns()
        while not self._stopped.wait(pause):
            rss, now = self._meter.rss(), perf_counter_ns()
            rose = self._rises.look(rss, now)
            if now - last_ns >= self._interval * 1e9 and (
                abs(rss - last_rss) >= _WORTH_A_POINT or now - last_ns >= _QUIET_POINT_NS
            ):
                self._emit(Sample(now, rss, self._meter.vms()))
                last_rss, last_ns = rss, now
                if now - group_ns >= _GROUP_POINT_NS or rss - group_rss >= _GROUP_POINT_GROWTH:
                    self._read_group()
                    group_rss, group_ns = rss, now
            before, spent = spent, thread_time_ns()
            self._budget.spend(spent - before)
            pause = self._next_pause(pause, rose)

    def _next_pause(self, pause: float, rose: bool) -> float:
        if not self._budget.affords():
            return self._interval
        return min(self._interval, _LONGEST_PAUSE_S, _SHORTEST_PAUSE_S if rose else pause * _LONGER)

    def stop(self) -> None:
        """Stop sampling; the changes of RSS since the last look are recorded."""
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)
        if not self._thread.is_alive():
            self._rises.finish(self._meter.rss(), perf_counter_ns())
