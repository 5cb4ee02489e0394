"""Samples RSS over time in a thread of its own, and looks for who made it rise, more often while it rises."""

from __future__ import annotations

from _thread import RLock
from collections.abc import Callable, Mapping
from time import perf_counter_ns, thread_time_ns

from ...foreign_errors import is_passing, pass_on
from ...records import Sample
from ...system.held_reads import HeldReads
from ...system.own_thread import OwnThread
from ...system.proc import PAGE_SIZE
from ..base import ProbeContext
from ..exclusion import BackgroundWork
from .close_look import CloseLook
from .pauses import Longest, PlainPauses, Reading, pauses_for
from .points import Points
from .rises import RiseSampler
from .running_threads import RunningThreads
from .stacks import Stack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .triggers import Triggers

# A program that is killed at its control group's limit reaches no last edge at which to read the group. So the timeline
# reads it too, and at once when the program grows: the reading before the end matters most.
_GROUP_POINT_NS = 250_000_000
_GROUP_POINT_GROWTH = 8_000_000
# Pauses between two looks. A wake-up takes 50 to 200 us of processor time, so what is saved while nothing happens is
# spent while RSS rises: a function that allocates and returns between two looks is missed. A thread that computes in
# Python gives way after 5 ms anyway (sys.getswitchinterval); then the wait for it is the pause.
_RISING_S, _STEADY_S, _SPARING_S = 0.001, 0.01, 0.02
_AT_ONCE_S = 0.0001
# With the core, which looks more often. Each return takes the interpreter's lock, for which a thread that reads or
# writes files in small pieces wakes this one up a thousand times.
_LONGEST_S, _LONGEST_IDLE_S = 0.05, 0.25
_MOST_READINGS = 256
_WAITED_NS = 2_000_000
_LONGER = 2
_SHARE = 0.01  # of the time, at most, for the processor time of this thread
_ADVANCE_NS = 20_000_000
_ENDS_WITHIN_S = 0.02
_CLOSE_LOOK_SHARE, _CLOSE_LOOK_ADVANCE_NS = 0.005, 10_000_000


class Timeline:
    """A thread that samples RSS, from `begin` on.

    Args:
        context: the probe's.
        read_group: called now and then.
        forked: whether this is a forked process, which may copy pages of its parent.
        triggers: is shown every reading, if given.
    """

    def __init__(
        self,
        context: ProbeContext,
        read_group: Callable[[], None],
        *,
        forked: bool,
        triggers: Triggers | None = None,
    ) -> None:
        self._triggers = triggers
        self._read_group = read_group
        self._context = context
        self._emit = context.emit
        self._meter = context.meter
        self._interval_ns = context.settings.interval
        # In production mode. Elsewhere it may take a percent more: with fewer looks, rises go to the wrong functions.
        self._keeps_to_share = context.settings.mode == "production"
        self._points = Points(self._interval_ns, adapts=self._keeps_to_share)
        self._budget = context.governor.for_probe(_SHARE, advance_ns=_ADVANCE_NS)
        self._files = HeldReads()
        try:
            self._prepare(context, forked=forked)
        except BaseException:  # a signal handler's, for one: nobody else has the files
            self._files.close()
            raise

    def _prepare(self, context: ProbeContext, *, forked: bool) -> None:
        has_proc = context.meter.page_faults() >= 0
        self._rss = self._held_rss if has_proc else context.meter.rss
        accounted = context.attribution.now
        self._running = RunningThreads(self._files, self._meter.page_faults)
        # A fork copies pages without RSS changing, so a forked process has to be looked at.
        self._pauses = pauses_for(self._files, self._running.files) if has_proc and not forked else PlainPauses()
        self._close_look: CloseLook | None = None
        if context.settings.short_calls and has_proc:
            budget = context.governor.for_probe(_CLOSE_LOOK_SHARE, advance_ns=_CLOSE_LOOK_ADVANCE_NS)
            self._close_look = CloseLook(accounted, budget)
        self._rises = RiseSampler(
            context.emit,
            self._rss(),
            accounted,
            self._running,
            self._close_look.makers if self._close_look is not None else None,
            self._meter.page_faults if forked else None,
        )
        self._accounted_before = accounted()
        context.attribution.follow()
        self._turn = RLock()  # held during each look
        self._over = False
        self._work = BackgroundWork(self)
        self._thread: OwnThread | None = None

    def begin(self) -> None:
        """Start the thread: not before somebody can stop it, as a signal handler may raise in the meantime."""
        self._thread = OwnThread(self._run)

    def _run(self) -> None:
        try:
            self._look_until_stopped()
        finally:
            with self._turn:  # `stop` may have closed the files while this thread was about to read them
                self._files.close()

    def _look_until_stopped(self) -> None:
        while True:
            try:
                self._sample()
                return
            except Exception as error:  # a thread must not print its traceback into the program's output
                self._work.end()
                if not is_passing(error):
                    self._work.over()
                    self._context.note(f"the timeline was switched off: reading memory raised {error!r}")
                    return
            if not self._pauses.rest(_SPARING_S, Longest(_SPARING_S, _SPARING_S), 0, 1):
                return

    def _sample(self) -> None:
        group_rss, group_ns = 0, perf_counter_ns()
        pause, rss, spent = _RISING_S, self._rss(), thread_time_ns()
        rising = min(self._interval_ns / 1e9, _LONGEST_S)
        has_others_to_serve = self._triggers is not None or self._keeps_to_share
        idle = rising if has_others_to_serve else _LONGEST_IDLE_S
        most = _MOST_READINGS
        longest = Longest(rising, idle)
        while self._pauses.rest(pause, longest, rss, most):
            with self._turn:
                if self._over:
                    return
                if not self._work.begin():
                    pause = _STEADY_S
                    continue
                rose = self._take_in()
                began = perf_counter_ns()
                rss = self._rss()
                self._context.tick()
                if self._triggers is not None:
                    self._triggers.look(rss, began)
                rose = self._rises.look(rss, began) or rose
                if self._close_look is not None:
                    # In longer steps, looks may fall between the program's requests each time.
                    self._pauses.is_fine = self._close_look.looks_often()
                    rose = self._pauses.is_fine or rose
                    # What a watch finds belongs to one look.
                    most = 0 if self._close_look.is_under_way else _MOST_READINGS
                if self._points.take(rss, began):
                    self._emit(Sample(began, rss, self._meter.vms()))
                    if began - group_ns >= _GROUP_POINT_NS or rss - group_rss >= _GROUP_POINT_GROWTH:
                        self._read_group()
                        group_rss, group_ns = rss, began
                before, spent = spent, thread_time_ns()
                self._budget.spend(spent - before)
                pause = self._next_pause(pause, rose=rose, waited=perf_counter_ns() - began >= _WAITED_NS)
                self._pauses.prepare()
                self._work.end()

    def _take_in(self) -> bool:
        """Take in what was read during the pause, each reading with what was accounted for at its time."""
        changes, at = self._context.attribution.take_changes(), 0
        rose = False
        for reading in self._pauses.take():
            while at < len(changes) and changes[at][0] <= reading.time_ns:
                self._accounted_before = changes[at][1]
                at += 1
            if reading.has_stacks:
                threads = _ReadThreads(self._running, reading)
                rose = self._rises.look(reading.rss, reading.time_ns, self._accounted_before, threads) or rose
        if changes:
            self._accounted_before = changes[-1][1]
        return rose

    def _held_rss(self) -> int:
        """Return RSS, before another thread runs on."""
        return int(self._files.read("statm", 64).split(None, 2)[1]) * PAGE_SIZE

    def _next_pause(self, pause: float, *, rose: bool, waited: bool) -> float:
        longer = pause * _LONGER
        pause = (_AT_ONCE_S if waited else _RISING_S) if rose else longer
        if not self._budget.affords():
            pause = max(_SPARING_S, longer) if self._keeps_to_share else self._pauses.sparing_s
        elif pause > _STEADY_S:  # half of the budget is for times when RSS rises
            pause = _STEADY_S if self._budget.affords(0.5) else _SPARING_S
        return min(pause, self._interval_ns / 1e9)

    def stop(self) -> None:
        """Stop sampling; the changes of RSS since the last look are recorded."""
        self._pauses.stop()
        self._work.over()
        if self._close_look is not None:
            self._close_look.stop()
        try:  # inside, so that an exception of a signal handler leaves it released
            # The thread itself may need many turns to end, where others compute.
            if self._turn.acquire(timeout=1.0):
                self._over = True
                self._rises.finish(self._rss(), perf_counter_ns())
                self._files.close()
        finally:
            try:
                self._turn.release()
            except RuntimeError as error:  # the thread has it
                pass_on(error)
        if self._over and self._thread is not None:
            self._thread.join(timeout=_ENDS_WITHIN_S)

    def after_fork(self) -> None:
        """This is a forked child process: the thread stayed with the parent, the files did not."""
        self._work.over()
        if self._close_look is not None:
            self._close_look.stop()
        self._files.close()


class _ReadThreads:
    """The threads that ran before a reading of a pause."""

    def __init__(self, running: RunningThreads, reading: Reading) -> None:
        self._running, self._reading = running, reading

    def advance(self) -> None:
        one = self._reading
        self._running.advance_to(one.threads, one.faults, one.begun, is_alone=one.is_alone)

    def stacks(self) -> Mapping[int, Stack]:
        return self._running.stacks({thread.ident: thread.stack for thread in self._reading.threads})

    def shares(self) -> Mapping[int, float]:
        return self._running.shares()

    def runs(self, thread: int) -> bool:
        return any(one.runs for one in self._reading.threads if one.ident == thread)

    def is_left_alone(self, thread: int) -> bool:
        return self._running.is_left_alone(thread)
