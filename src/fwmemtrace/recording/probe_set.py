"""The probes of a session: their order, which of them a phase wants, what they cost, what happens if one raises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Any, TypeAlias

import msgspec

from ..errors import ProbeUnavailable
from ..foreign_errors import is_passing, is_the_programs
from ..probes.base import Emit, Probe, ProbeContext
from ..probes.governor import Governor
from ..records import Note, Overhead
from ..system.garbage_collector import CollectorPaused, pause_collector, resume_after_fork, resume_collector
from ..tracing.span import Span

# Smaller costs are summed up and recorded when the session stops: a record for each would cost more than they do.
_WORTH_A_RECORD_NS = 100_000
_WORTH_A_RECORD_BYTES = 16 * 1024
_MOST_TRIES = 8  # to stop a probe

Cost: TypeAlias = tuple[int, int]  # nanoseconds, and bytes of RSS
Call: TypeAlias = tuple[str, Callable[[Span], None]]  # a probe's name, and its guarded hook


class ProbeSet:
    """Calls the hooks of the probes. A probe that raises is switched off, noted and counted.

    Which hooks there are is looked up once, when the probes have started and when one is switched off. So a phase pays
    only for hooks that a probe overrides.

    Python's garbage collector is paused while probes start, stop, and are measured at the edges of phases: a collection
    that they set off would free the program's garbage, and the drop of RSS would count as their overhead.

    A span's `state` has a tuple for each probe that keeps something until the phase ends: what its `phase_began`
    returned, and what that call cost. `probes.exclusion` keeps these out of the probes' figures.

    Args:
        warn: shows a warning to the program.

    Attributes:
        hears_outermost: whether outermost phases have hooks to call.
        hears_inner: whether inner ones have.
        hears_switches: whether switches between phases have.
        measures: whether one of the hooks may itself take memory at the edges of phases.
        errors: the number of exceptions that each probe raised, by its name.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._running: list[Probe] = []
        self._is_stopping = False
        self._emit: Emit
        self._governor: Governor
        self._rss: Callable[[], int]
        self._small_costs: dict[str, Cost] = {}
        self._interrupted: dict[str, int] = {}  # how often a signal handler raised while a probe started or stopped
        self.errors: dict[str, int] = {}
        self._look_up_hooks()

    def start(self, probes: Sequence[Probe], context: ProbeContext) -> None:
        """Start the probes, the outermost first. One that cannot work here is left out, with a note.

        Raises:
            ProbeUnavailable: if a probe named in the setting `required` cannot work; the others are stopped again.
        """
        self._use(context)
        with CollectorPaused():
            for probe in probes:
                self._start_probe(probe, context)
        self._look_up_hooks()

    def phase_began(self, span: Span) -> None:
        """A phase is about to begin."""
        wanted = span.phase.probes
        for name, call in self._began_inner if span.parent is not None else self._began_outermost:
            if wanted is None or name in wanted:
                call(span)

    def phase_ended(self, span: Span) -> None:
        """A phase has ended."""
        wanted = span.phase.probes
        for name, call in self._ended_inner if span.parent is not None else self._ended_outermost:
            if wanted is None or name in wanted:
                call(span)
        span.state = None

    def switched(self, span: Span | None) -> None:
        """The calling thread continues in another phase, or in none."""
        for probe, hook in self._switched:
            seen = span
            while seen is not None and not seen.wants(probe.name):
                seen = seen.parent
            self._call(probe, hook, seen)

    def snapshot(self, reason: str, besides: str = "") -> None:
        """Let each probe record what there is now, but the one of this name, which has done so."""
        for probe in list(self._running):
            if probe.name != besides and _overrides(probe, "snapshot"):
                self._call(probe, probe.snapshot, reason)

    def after_fork(self, context: ProbeContext) -> None:
        """This is a forked child process."""
        resume_after_fork()
        self._use(context)
        self._small_costs = {}
        for probe in list(self._running):
            self._call(probe, probe.after_fork, self._context_of(probe, context))

    def stop(self) -> None:
        """Stop the probes, the last one first, and record the costs that were too small for records of their own.

        If a signal handler raises in the middle of it, call it again.
        """
        self._is_stopping = True
        with CollectorPaused():
            while self._running:
                probe, began_ns, rss = self._running[-1], perf_counter_ns(), self._rss()
                self._stop_probe(probe)
                self._running = [other for other in self._running if other is not probe]
                wall_ns, rss_bytes = perf_counter_ns() - began_ns, self._rss() - rss
                self._emit(Overhead(0, probe.name, wall_ns, rss_bytes, stopping=True))
        for name, (wall_ns, rss_bytes) in self._small_costs.items():
            self._emit(Overhead(0, name, wall_ns, rss_bytes))
        self._running = []
        self._look_up_hooks()

    def _context_of(self, probe: Probe, context: ProbeContext) -> ProbeContext:
        def snapshot(reason: str) -> None:
            self.snapshot(reason, besides=probe.name)

        return msgspec.structs.replace(context, source=probe.name, snapshot=snapshot)

    def _start_probe(self, probe: Probe, context: ProbeContext) -> None:
        began_ns, rss = perf_counter_ns(), self._rss()
        try:
            probe.start(self._context_of(probe, context))
        except BaseException as error:
            if is_the_programs(error):
                self._running.append(probe)  # to be stopped: some of it has started
                self._interrupted[probe.name] = 1
                raise
            if probe.name in context.settings.required:
                self.stop()
                if isinstance(error, ProbeUnavailable):
                    raise
                raise ProbeUnavailable(f"the probe {probe.name!r} raised {error!r} when it started") from error
            reason = str(error) if isinstance(error, ProbeUnavailable) else f"it raised {error!r} when it started"
            self._note(probe, f"the probe {probe.name!r} is off: {reason}")
        else:
            self._running.append(probe)
            self._emit(Overhead(0, probe.name, perf_counter_ns() - began_ns, self._rss() - rss))

    def _use(self, context: ProbeContext) -> None:
        self._emit = context.emit
        self._redact = context.redact
        self._governor = context.governor
        self._rss = context.meter.rss

    def _look_up_hooks(self) -> None:
        """Find the hooks to call at each event, in their order."""
        inside_out = self._running[::-1]
        began = [probe for probe in self._running if _overrides(probe, "phase_began")]
        # What a measured probe's begin cost is recorded at the phase's end.
        ended = [
            probe for probe in inside_out if _overrides(probe, "phase_ended") or (probe.measured and probe in began)
        ]
        self._began_outermost: list[Call] = [(probe.name, self._begin_call(probe)) for probe in began]
        self._ended_outermost: list[Call] = [(probe.name, self._end_call(probe)) for probe in ended]
        outermost_only = {probe.name for probe in self._running if probe.outermost_only}
        self._began_inner = [call for call in self._began_outermost if call[0] not in outermost_only]
        self._ended_inner = [call for call in self._ended_outermost if call[0] not in outermost_only]
        self._switched = [(probe, probe.switched) for probe in self._running if _overrides(probe, "switched")]
        self.hears_outermost = bool(self._began_outermost or self._ended_outermost)
        self.hears_inner = bool(self._began_inner or self._ended_inner)
        self.hears_switches = bool(self._switched)
        self.measures = any(probe.measured for probe in [*began, *ended])

    def _begin_call(self, probe: Probe) -> Callable[[Span], None]:
        name, hook = probe.name, probe.phase_began

        # Every phase pays for these two functions, so they do without `_call`.
        def call(span: Span) -> None:
            try:
                state = hook(span)
            except Exception as error:
                self._raised(probe, error)
            else:
                if state is not None:
                    _keep(span, name, state, 0, 0)

        def measured_call(span: Span) -> None:
            collecting = pause_collector()
            try:
                began_ns, rss = perf_counter_ns(), self._rss()
                self._governor.enter()
                state = self._call(probe, hook, span)
                _keep(span, name, state, perf_counter_ns() - began_ns, self._rss() - rss)
            finally:
                resume_collector(collecting)
                self._governor.leave()

        return measured_call if probe.measured else call

    def _end_call(self, probe: Probe) -> Callable[[Span], None]:
        name, hook = probe.name, probe.phase_ended

        def call(span: Span) -> None:
            state = None if span.state is None else _kept(span, name)[0]
            try:
                hook(span, state)
            except Exception as error:
                self._raised(probe, error)

        def measured_call(span: Span) -> None:
            collecting = pause_collector()
            try:
                began_ns, rss = perf_counter_ns(), self._rss()
                state, wall_ns, rss_bytes = _kept(span, name)
                self._governor.enter()
                self._call(probe, hook, span, state)
                self._add_cost(span, name, wall_ns + perf_counter_ns() - began_ns, rss_bytes + self._rss() - rss)
            finally:
                resume_collector(collecting)
                self._governor.leave()

        return measured_call if probe.measured else call

    def _add_cost(self, span: Span, name: str, wall_ns: int, rss_bytes: int) -> None:
        if wall_ns >= _WORTH_A_RECORD_NS or abs(rss_bytes) >= _WORTH_A_RECORD_BYTES:
            self._emit(Overhead(span.id, name, wall_ns, rss_bytes))
        else:
            sum_ns, sum_bytes = self._small_costs.get(name, (0, 0))
            self._small_costs[name] = sum_ns + wall_ns, sum_bytes + rss_bytes

    def _call(self, probe: Probe, hook: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return hook(*arguments)
        except Exception as error:
            self._raised(probe, error)
            return None

    def _raised(self, probe: Probe, error: Exception) -> None:
        if isinstance(error, RecursionError):  # the program is at its recursion limit; the probe is not to blame
            self._count_error(probe)
        elif is_the_programs(error):
            raise error
        elif self._is_stopping:  # another thread was on its way to a probe that is stopped now
            pass
        elif is_passing(error):
            self._passed(probe, error)
        else:
            self._switch_off(probe, error)

    def _passed(self, probe: Probe, error: Exception) -> None:
        """Let a probe continue that failed because descriptors, memory or the like ran out. The first time is noted."""
        self._count_error(probe)
        if self.errors[probe.name] == 1:
            message = f"the probe {probe.name!r} raised {error!r}, and goes on"
            self._emit(Note(perf_counter_ns(), probe.name, self._redact(message)))

    def _switch_off(self, probe: Probe, error: Exception) -> None:
        self._count_error(probe)
        if probe not in self._running:
            return
        self._running = [other for other in self._running if other is not probe]
        self._look_up_hooks()
        self._note(probe, f"the probe {probe.name!r} raised {error!r} and was switched off")
        self._stop_probe(probe)

    def _stop_probe(self, probe: Probe) -> None:
        try:
            probe.stop()
        except BaseException as error:
            if is_the_programs(error):
                times = self._interrupted[probe.name] = self._interrupted.get(probe.name, 0) + 1
                if times >= _MOST_TRIES:
                    self._running = [other for other in self._running if other is not probe]
                raise
            if probe.name in self._interrupted:  # it has started or stopped in part already
                return
            self._count_error(probe)
            self._note(probe, f"the probe {probe.name!r} raised {error!r} when it stopped")

    def _count_error(self, probe: Probe) -> None:
        self.errors[probe.name] = self.errors.get(probe.name, 0) + 1

    def _note(self, probe: Probe, message: str) -> None:
        self._emit(Note(perf_counter_ns(), probe.name, self._redact(message)))
        self._warn(message)


def _overrides(probe: Probe, hook: str) -> bool:
    return getattr(type(probe), hook, None) not in (None, getattr(Probe, hook))


def _keep(span: Span, name: str, state: Any, wall_ns: int, rss_bytes: int) -> None:
    if span.state is None:
        span.state = {}
    span.state[name] = (state, wall_ns, rss_bytes)


def _kept(span: Span, name: str) -> tuple[Any, int, int]:
    if span.state is None:
        return _NOTHING_KEPT
    kept: tuple[Any, int, int] = span.state.get(name, _NOTHING_KEPT)
    return kept


_NOTHING_KEPT = (None, 0, 0)
