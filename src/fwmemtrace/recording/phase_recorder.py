"""What happens at the edges of phases while a session is on: readings, probes, records. Every phase pays for this file.

The readings lie innermost: probes are called before the first reading of a phase and after its last, and what they
themselves take in between, in RSS at its highest too, is kept out of every phase's peak.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from time import perf_counter_ns

from ..probes.base import Emit
from ..records import PhaseBegin, PhaseEnd
from ..system.meter import Meter
from ..system.peaks import PeakMeter
from ..tracing.span import Span, current, leave, new_span, set_current
from .probe_set import ProbeSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..tracing.span import NamedPhase


class PhaseRecorder:
    """The tracer that phases report to; see `phases.Tracer`. Nothing that it does raises into the program.

    Args:
        emit: takes a record to the sink.
        probe_set: the probes.
        meter: reads the process's memory.
        exact_peak: whether to take the high-water mark at every edge.
        failed: told of an error in here; called at most once.
    """

    def __init__(
        self, emit: Emit, probe_set: ProbeSet, meter: Meter, *, exact_peak: bool, failed: Callable[[Exception], None]
    ) -> None:
        self._emit = emit
        self._probes = probe_set
        self._failed = failed
        self._exact_peak = exact_peak
        self._ids = count(1)
        self._over = False
        self.use(meter)

    def use(self, meter: Meter) -> None:
        """Read from this meter from now on, as after a fork."""
        self._rss = meter.rss
        self._lock = threading.RLock()  # re-entrant: a finaliser or signal handler may run a phase inside it
        self._open = 0
        self._peaks = PeakMeter(meter.peak, meter.reset_peak) if self._exact_peak else None

    def begin(self, phase: NamedPhase, /) -> Span:
        """A phase begins in this thread and context."""
        span = new_span(self, next(self._ids), phase)
        if span.closed:
            return span
        try:
            self._announce(span)
        except Exception as error:
            span.closed = True
            self._fail(error)
        # Not before its record is out: a phase that a signal handler runs would name a parent that nobody knows.
        set_current(span)
        return span

    def _announce(self, span: Span) -> None:
        parent, phase = span.parent, span.phase
        if parent is None or self._probes.at_edges:
            self._tell_probes(self._probes.began, span)
        if self._peaks is not None:
            with self._lock:
                if not self._open:
                    self._peaks.forget()
                self._open += 1
                span.mark = self._peaks.edge()
        rss = self._rss()
        parent_id = 0 if parent is None else parent.id
        now = perf_counter_ns()
        self._emit(PhaseBegin(span.id, parent_id, phase.name, span.thread_id, now, rss, phase.attributes))

    def end(self, span: Span, error: type[BaseException] | None, /) -> None:
        """The span's phase ended, in whatever thread or context this is."""
        if span.closed:
            return
        span.closed = True
        leave(span)
        if self._over:
            return
        try:
            peak = rss = self._rss()
            now = perf_counter_ns()
            if self._peaks is not None:
                with self._lock:
                    self._peaks.edge()
                    self._open -= 1
                    peak = max(rss, self._peaks.since(span.mark))
            if span.parent is None or self._probes.at_edges:
                self._tell_probes(self._probes.ended, span)
            self._emit(PhaseEnd(span.id, now, rss, peak, None if error is None else _type_name(error)))
        except Exception as failure:
            self._fail(failure)

    def switch(self, span: Span | None, /) -> None:
        """This thread goes on inside another phase, which began before, or in none."""
        if self._probes.at_edges and not self._over:
            self._probes.switched(span)

    def after_fork(self, meter: Meter) -> None:
        """This is a forked worker: only the phases around the fork are open here, and its trace begins with them."""
        self.use(meter)
        open_spans = []
        span = current.get()
        while span is not None:
            if not span.closed and span.tracer is self:
                open_spans.append(span)
            span = span.parent
        for span in reversed(open_spans):
            span.thread_id = threading.get_ident()
            self._announce(span)

    def finish(self) -> tuple[int, int, int]:
        """The session is being stopped: phases that are still open end without a record.

        Returns:
            The time in nanoseconds, RSS and its peak since the session began, in bytes.
        """
        self._over = True
        rss = peak = self._rss()
        now = perf_counter_ns()
        if self._peaks is not None:
            with self._lock:
                self._peaks.edge()
                peak = max(rss, self._peaks.largest)
                self._peaks.stop()
        return now, rss, peak

    def _tell_probes(self, tell: Callable[[Span], None], span: Span) -> None:
        if self._peaks is None or not self._probes.heavy:
            tell(span)
            return
        with self._lock:
            self._peaks.edge()
        tell(span)
        with self._lock:
            self._peaks.skip()

    def _fail(self, error: Exception) -> None:
        """Tell of a failure, once, and be silent ever after.

        A program at its recursion limit has no room for our calls either: that is no failure, only this edge is lost.
        """
        if not self._over and not isinstance(error, RecursionError):
            self._over = True
            self._failed(error)


def _type_name(error: type[BaseException]) -> str:
    if error.__module__ in ("builtins", "__main__"):
        return error.__qualname__
    return f"{error.__module__}.{error.__qualname__}"
