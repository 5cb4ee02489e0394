"""What happens at the edges of phases while a session is on: readings, probes, records. Every phase pays for this file.

The readings are innermost: probes are called before the first reading of a phase and after its last. The RSS that they
need at the edges, at its highest too, is kept out of every phase's peak.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from time import perf_counter_ns

from ..foreign_errors import is_passing, is_the_programs
from ..probes.base import Emit
from ..probes.exclusion import leave_out
from ..records import PhaseAttributes, PhaseBegin, PhaseEnd
from ..system.meter import Meter
from ..system.peaks import PhasePeaks
from ..tracing.span import Span, leave, new_span, open_spans, set_current
from .probe_set import ProbeSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from ..tracing.span import Attribute, NamedPhase

    Redact: TypeAlias = Callable[[dict[str, Attribute]], dict[str, Attribute]]


class PhaseRecorder:
    """The tracer that phases report to; see `recorders.Recorder`. It raises nothing into the program.

    Args:
        emit: writes a record to the trace.
        probe_set: the session's probes.
        meter: reads the memory of this process.
        exact_peak: whether to read the high-water mark at every edge.
        redact: returns attributes without secrets.
        on_failure: called with the first error in here, after which phases are no longer recorded.
    """

    def __init__(
        self,
        emit: Emit,
        probe_set: ProbeSet,
        meter: Meter,
        *,
        exact_peak: bool,
        redact: Redact,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._emit = emit
        self._probes = probe_set
        self._on_failure = on_failure
        self._exact_peak = exact_peak
        self._redact = redact
        self._ids = count(1)
        self._over = False
        self._use(meter)

    def _use(self, meter: Meter) -> None:
        self._rss = meter.rss
        self._peaks = self._make_peaks(meter) if self._exact_peak else None
        leave_out(self)

    def _make_peaks(self, meter: Meter) -> PhasePeaks:
        return PhasePeaks(meter.peak, meter.reset_peak)

    def begin(self, phase: NamedPhase, /) -> Span:
        """A phase begins in this thread and context."""
        span = new_span(self, next(self._ids), phase)
        if span.closed:
            return span
        try:
            self._record_begin(span)
            # Not before the record is written: a phase that a signal handler runs would name an unknown parent.
            set_current(span)
        except BaseException as error:
            self._begin_failed(span, error)
        return span

    def _begin_failed(self, span: Span, error: BaseException) -> None:
        """Raise an exception of the program's again: a signal handler's, with which the phase ends before its block."""
        if is_the_programs(error):
            self.end(span, type(error))
            raise error
        span.closed = True
        if self._peaks is not None:
            self._peaks.leave(span.id)
        self._fail(error)

    def _record_begin(self, span: Span) -> None:
        parent, phase = span.parent, span.phase
        if self._probes.hears_outermost if parent is None else self._probes.hears_inner:
            self._call_probes(self._probes.phase_began, span)
        attributes = phase.attributes
        if attributes:
            attributes = self._redact(attributes)
        rss = self._rss()
        if self._peaks is not None:
            span.peak_index = self._peaks.begin(span.id, rss)
        parent_id = 0 if parent is None else parent.id
        now = perf_counter_ns()
        self._emit(PhaseBegin(span.id, parent_id, phase.name, span.thread_id, now, rss, attributes))

    def end(self, span: Span, error: type[BaseException] | None, /) -> None:
        """The span's phase ended, in whatever thread or context this is."""
        if span.closed:
            return
        span.closed = True
        if self._peaks is not None:
            self._peaks.leave(span.id)  # before anything at which a signal handler may raise
        leave(span)
        if self._over:
            return
        try:
            peak = rss = self._rss()
            now = perf_counter_ns()
            if self._peaks is not None:
                peak = max(rss, self._peaks.end(span.peak_index, rss))
            if self._probes.hears_outermost if span.parent is None else self._probes.hears_inner:
                self._call_probes(self._probes.phase_ended, span)
            self._emit(PhaseEnd(span.id, now, rss, peak, None if error is None else type_name(error)))
        except BaseException as failure:
            self._end_failed(span, failure)

    def _end_failed(self, span: Span, error: BaseException) -> None:
        """Raise an exception of the program's again; the span has ended."""
        if is_the_programs(error):
            raise error
        self._fail(error)

    def switch(self, span: Span | None, /) -> None:
        """This thread continues in another phase, which began before, or in none."""
        if self._probes.hears_switches and not self._over:
            self._probes.switched(span)

    def annotate(self, span: Span, attributes: dict[str, Attribute], /) -> None:
        """A phase that is open gets attributes."""
        if not self._over:
            self._emit(PhaseAttributes(span.id, self._redact(attributes)))

    def after_fork(self, meter: Meter) -> None:
        """This is a forked worker: only the phases around the fork are open here, and its trace begins with them."""
        self._use(meter)
        for span in open_spans(self):
            span.thread_id = threading.get_ident()
            span.state = None  # what the probes keep is the parent's
            self._record_begin(span)

    def forget(self) -> None:
        """Record nothing more: this is a forked child process that is about to start another program."""
        self._end_recording()

    def finish(self) -> tuple[int, int, int]:
        """Stop recording: phases that are still open end without a record.

        Returns:
            The time in nanoseconds, RSS, and the peak RSS since the session began, in bytes.
        """
        self._end_recording()
        rss = peak = self._rss()
        now = perf_counter_ns()
        if self._peaks is not None:
            peak = max(rss, self._peaks.finish())
        return now, rss, peak

    def _end_recording(self) -> None:
        self._over = True

    def _call_probes(self, hooks: Callable[[Span], None], span: Span) -> None:
        """Call hooks of the probes; what they allocate is in no phase's peak."""
        if self._peaks is None or not self._probes.measures:
            hooks(span)
            return
        self._peaks.edge()
        hooks(span)
        self._peaks.skip()

    def _fail(self, error: BaseException) -> None:
        """Report the first failure and record nothing from then on.

        A program at its recursion limit has no room for these calls either, nor has one that is out of memory or
        descriptors: then only this edge is lost.
        """
        if not self._over and not isinstance(error, RecursionError) and not is_passing(error):
            self._end_recording()
            self._on_failure(error)


def type_name(error: type[BaseException]) -> str:
    """Return the qualified name of an exception's type, without the module where everybody knows it."""
    try:
        if error.__module__ in ("builtins", "__main__"):
            return error.__qualname__
        return f"{error.__module__}.{error.__qualname__}"
    except Exception:  # a class may compute its names
        return type.__repr__(error)
