"""The probes of a session together: guarded, ordered, and each one's own cost told apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Any

from ..errors import ProbeUnavailable
from ..probes.base import Emit, Probe, ProbeContext
from ..records import Note, Overhead
from ..tracing.span import Span

# Smaller costs are summed up and recorded when the session stops: a record each would cost more than they do.
_WORTH_A_RECORD_NS = 100_000
_WORTH_A_RECORD_BYTES = 16 * 1024


class ProbeSet:
    """Calls the probes. One that raises is switched off, noted and counted; the program never sees its exception.

    Attributes:
        at_edges: whether any probe but `resident` is on, that is, whether inner phases need a call too.
        heavy: whether one of them may itself take memory worth mention at the edges.
        errors: how many exceptions each probe raised, by its name.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._running: list[Probe] = []
        self._emit: Emit
        self._rss: Callable[[], int]
        self._small_costs: dict[str, tuple[int, int]] = {}
        self.at_edges = self.heavy = False
        self.errors: dict[str, int] = {}

    def start(self, probes: Sequence[Probe], context: ProbeContext) -> None:
        """Start each probe; one that cannot work here is noted, or raised for if it is required.

        Raises:
            ProbeUnavailable: for a probe named in the setting `required`; whatever was started is stopped again.
        """
        self._use(context)
        for probe in probes:
            began, rss = perf_counter_ns(), self._rss()
            try:
                probe.start(context)
            except Exception as error:
                if probe.name in context.settings.required:
                    self.stop()
                    if isinstance(error, ProbeUnavailable):
                        raise
                    raise ProbeUnavailable(
                        f"found that the probe {probe.name!r} raised {error!r} at its start"
                    ) from error
                reason = str(error) if isinstance(error, ProbeUnavailable) else f"raised {error!r} at its start"
                self._note(probe, f"the probe {probe.name!r} is off: {reason}")
                continue
            self._running.append(probe)
            self._emit(Overhead(0, probe.name, perf_counter_ns() - began, self._rss() - rss))
        self._look_again()

    def began(self, span: Span) -> None:
        """A phase begins."""
        for probe in self._running:
            if probe.frugal:
                self._call(probe, probe.phase_began, span)
            elif span.wants(probe.name):
                self._measured(span, probe, probe.phase_began)

    def ended(self, span: Span) -> None:
        """A phase ended."""
        for probe in reversed(self._running):
            if probe.frugal:
                self._call(probe, probe.phase_ended, span)
            elif span.wants(probe.name):
                self._measured(span, probe, probe.phase_ended)
        for name, (wall_ns, rss) in (span.state or {}).get("cost", {}).items():
            if wall_ns >= _WORTH_A_RECORD_NS or abs(rss) >= _WORTH_A_RECORD_BYTES:
                self._emit(Overhead(span.id, name, wall_ns, rss))
            else:
                before = self._small_costs.get(name, (0, 0))
                self._small_costs[name] = (before[0] + wall_ns, before[1] + rss)

    def switched(self, span: Span | None) -> None:
        """The calling thread goes on inside another phase."""
        for probe in self._running:
            self._call(probe, probe.switched, span)

    def after_fork(self, context: ProbeContext) -> None:
        """This is a forked worker."""
        self._use(context)
        self._small_costs = {}
        for probe in list(self._running):
            self._call(probe, probe.after_fork, context)

    def stop(self) -> None:
        """Stop each probe, the last one first, and record what was too small for a record before."""
        for probe in reversed(list(self._running)):
            began, rss = perf_counter_ns(), self._rss()
            self._stop_one(probe)
            self._emit(Overhead(0, probe.name, perf_counter_ns() - began, self._rss() - rss))
        for name, (wall_ns, rss_bytes) in self._small_costs.items():
            self._emit(Overhead(0, name, wall_ns, rss_bytes))
        self._running = []

    def _use(self, context: ProbeContext) -> None:
        self._context = context
        self._emit = context.emit
        self._rss = context.meter.rss

    def _measured(self, span: Span, probe: Probe, call: Callable[[Span], None]) -> None:
        began, rss = perf_counter_ns(), self._rss()
        self._call(probe, call, span)
        if span.state is None:
            span.state = {}
        costs = span.state.setdefault("cost", {})
        wall_ns, rss_bytes = costs.get(probe.name, (0, 0))
        costs[probe.name] = (wall_ns + perf_counter_ns() - began, rss_bytes + self._rss() - rss)

    def _call(self, probe: Probe, call: Callable[..., None], *arguments: Any) -> None:
        try:
            call(*arguments)
        except RecursionError:  # the program is at its limit; the probe is not to blame
            self.errors[probe.name] = self.errors.get(probe.name, 0) + 1
        except Exception as error:
            self._switch_off(probe, error)

    def _switch_off(self, probe: Probe, error: Exception) -> None:
        self._count(probe)
        if probe not in self._running:
            return
        self._running = [other for other in self._running if other is not probe]
        self._look_again()
        self._note(probe, f"the probe {probe.name!r} raised {error!r} and was switched off")
        self._stop_one(probe)

    def _stop_one(self, probe: Probe) -> None:
        try:
            probe.stop()
        except Exception as error:
            self._count(probe)
            self._note(probe, f"the probe {probe.name!r} raised {error!r} when it was stopped")

    def _count(self, probe: Probe) -> None:
        self.errors[probe.name] = self.errors.get(probe.name, 0) + 1

    def _look_again(self) -> None:
        self.at_edges = any(probe.name != "resident" for probe in self._running)
        self.heavy = any(not probe.frugal for probe in self._running)

    def _note(self, probe: Probe, message: str) -> None:
        self._emit(Note(perf_counter_ns(), probe.name, message))
        self._warn(message)
