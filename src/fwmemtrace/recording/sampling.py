"""Samples the calls of hot phases, for production: all are counted, and as many are measured as there is time for.

The first calls of each phase are measured, so that whatever happens once is seen. Later ones are measured at most once
a second, and only while the tracer has taken less than its share of the time. A call inside one that is only counted
is only counted too.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock, get_ident
from time import perf_counter_ns, thread_time_ns

from ..probes.base import Emit
from ..records import Note, UnmeasuredCalls
from ..system.meter import Meter
from ..tracing.phases import MOST_PATHS
from ..tracing.span import Span, current, leave, set_current
from .phase_recorder import type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..tracing.span import Attribute, NamedPhase
    from .recorder import Recorder

_FIRST_CALLS = 20
_SPACING_NS = 1_000_000_000
_FLUSH_NS = 1_000_000_000
_FIRST_FLUSH_NS = 20_000_000
_LONGEST_FLUSH_S = 1.0
_IDLE_NS = 30_000_000
_TICKS_NS = 100_000_000  # longest pause between two ticks, for the thread that ticks to be relied on
_FLUSHES = 20  # of a session that is as old as this many pauses between them
_ADVANCE_NS = 5_000_000  # time that edges may take on top, as when the session has just begun
_NEVER_NS = 1 << 62
_AT_ONCE = 0.01  # of its share of the time, for writing counts as soon as a call has ended
_AT_ONCE_ADVANCE_NS = 20_000_000  # on top of it
_LONGEST_WAIT_S = 0.1
_EDGES = 2  # the end of a phase costs as much as its begin, which is measured
_OTHERS = "(other phases)"  # of names beyond the limit


class _Node:
    """One path of phases: what was counted since the last record, and when a call is measured next."""

    __slots__ = ("calls", "children", "errors", "measured", "name", "next_ns", "parent", "wall_ns")

    def __init__(self, parent: _Node | None, name: str) -> None:
        self.parent = parent
        self.name = name
        self.children: dict[str, _Node] = {}
        self.measured = 0
        self.next_ns = 0
        self.clear()

    def clear(self) -> None:
        self.calls = self.wall_ns = 0
        self.errors: dict[str, int] = {}

    def path(self) -> list[str]:
        names: list[str] = []
        node: _Node = self
        while node.parent is not None:
            names.append(node.name)
            node = node.parent
        return names[::-1]


class SamplingRecorder:
    """A recorder that lets another one measure some of the calls, and counts the others.

    Args:
        inner: measures.
        emit: writes a record to the trace.
        share: the largest share of the time that measuring may take.
        clock: returns nanoseconds of a monotonic clock.
        processor_clock: returns nanoseconds of processor time of the calling thread.
    """

    def __init__(
        self,
        inner: Recorder,
        emit: Emit,
        share: float,
        clock: Callable[[], int] = perf_counter_ns,
        processor_clock: Callable[[], int] = thread_time_ns,
    ) -> None:
        self.inner = inner
        self._emit = emit
        self._share = share
        self._clock = clock
        self._processor_clock = processor_clock
        self._is_forked = False
        self._start()

    def _start(self) -> None:
        self._root = _Node(None, "")
        self._nodes = 0
        self._began_ns = self._clock()
        self._next_flush_ns = self._began_ns + _FIRST_FLUSH_NS
        self._spent_ns = self._latest_ns = self._written_ns = 0
        self._at_once_ns = self._next_at_once_ns = 0
        self._told = False
        self._ticked_ns: int | None = None
        self._flushing = allocate_lock()
        self._flusher = 0  # the thread that has the lock

    def begin(self, phase: NamedPhase, /) -> Span:
        """A phase begins in this thread and context."""
        now = self._clock()
        parent = current.get()
        while parent is not None and (parent.closed or parent.tracer not in (self, self.inner)):
            parent = parent.parent
        node = self._node(parent, phase.name)
        if (parent is not None and parent.tracer is self) or not self._is_measured(node, now):
            return self._count(phase, parent, node, now)
        span = self.inner.begin(phase)
        span.node = node
        try:
            self._spent_ns += _EDGES * (self._clock() - now)
        except BaseException as error:  # a signal handler's: the block does not begin, and nobody else has the span
            self.inner.end(span, type(error))
            raise
        return span

    def _node(self, parent: Span | None, name: str) -> _Node:
        around: _Node = self._root if parent is None else parent.node
        node = around.children.get(name)
        if node is None:
            if self._nodes >= MOST_PATHS:
                name = _OTHERS
            node = around.children.get(name)
            if node is None:
                self._nodes += 1
                node = around.children[name] = _Node(around, name)
        return node

    def _is_measured(self, node: _Node, now: int) -> bool:
        if node.measured >= _FIRST_CALLS:
            if now < node.next_ns or self._spent_ns > _ADVANCE_NS + self._share * (now - self._began_ns):
                return False
            node.next_ns = now + _SPACING_NS
        node.measured += 1
        return True

    def _count(self, phase: NamedPhase, parent: Span | None, node: _Node, now: int) -> Span:
        span = Span()
        span.id = 0
        span.parent = parent
        span.phase = phase
        span.tracer = self
        span.thread_id = 0
        span.peak_index = now
        span.state = None
        span.node = node
        span.closed = False
        try:
            set_current(span)
        except BaseException:  # a signal handler's: the block does not begin
            span.closed = True
            raise
        return span

    def end(self, span: Span, error: type[BaseException] | None, /) -> None:
        """The span's phase ended, in whatever thread or context this is."""
        if span.tracer is not self:
            self.inner.end(span, error)
            return
        # Calls first, at which a signal handler may raise: then the call is counted when the phase is ended again. The
        # counting below calls nothing, so the thread that writes the counts comes before it or after it.
        now = self._clock()
        name = None if error is None else type_name(error)
        if span.closed:
            return
        span.closed = True
        node: _Node = span.node
        node.calls += 1
        node.wall_ns += now - span.peak_index
        if name is not None:
            errors = node.errors
            errors[name] = errors[name] + 1 if name in errors else 1
        leave(span)
        self._latest_ns = now
        around = span.parent
        if now >= self._next_at_once_ns and (around is None or around.tracer is not self):
            self._flush_at_once(now)
        # The thread that ticks does it, if there is one: what a signal handler raises in the middle of it loses counts.
        elif now >= self._next_flush_ns and (self._ticked_ns is None or now - self._ticked_ns > _TICKS_NS):
            self._flush_at(now)

    def tick(self) -> None:
        """Write what was counted if it is time to, or if no phase has ended for a moment.

        A server that has been asked to stop is soon killed. Called every few milliseconds, in another thread.
        """
        now = self._ticked_ns = self._clock()
        latest = self._latest_ns
        if latest != self._written_ns and (now - latest >= _IDLE_NS or now >= self._next_flush_ns):
            self._written_ns = latest
            self._flush_at(now)

    def _flush_at_once(self, now: int) -> None:
        """Write what was counted if this is a worker: pools kill theirs as soon as they have the results."""
        if not (self._is_forked or _is_worker()):
            self._next_at_once_ns = _NEVER_NS
            return
        began_ns = self._processor_clock()
        self._written_ns = now
        self._flush_at(now, _LONGEST_WAIT_S)  # another thread that writes may have passed this phase already
        self._at_once_ns += self._processor_clock() - began_ns
        over, share = self._at_once_ns - _AT_ONCE_ADVANCE_NS, _AT_ONCE * self._share
        if over > 0:
            self._next_at_once_ns = self._began_ns + round(over / share) if share else _NEVER_NS

    def _flush_at(self, now: int, longest_wait_s: float = 0.0) -> None:
        # A worker may be killed soon after it has begun.
        self._next_flush_ns = now + min(max((now - self._began_ns) // _FLUSHES, _FIRST_FLUSH_NS), _FLUSH_NS)
        self._flush(longest_wait_s)

    def annotate(self, span: Span, attributes: dict[str, Attribute], /) -> None:
        """A phase that is only counted gets attributes, of which nothing is recorded."""

    def switch(self, span: Span | None, /) -> None:
        """This thread continues in another phase, which began before, or in none."""
        while span is not None and span.tracer is self:
            span = span.parent
        self.inner.switch(span)

    def after_fork(self, meter: Meter, /) -> None:
        """This is a forked worker: what was counted before is the parent's to tell."""
        inside = [span for span in _spans() if span.tracer is self]
        self._start()
        self._is_forked = True
        for span in inside:
            span.closed = True
        for span in reversed(_spans()):
            span.node = self._node(span.parent, span.phase.name)
        self.inner.after_fork(meter)

    def forget(self) -> None:
        """Record nothing more: this is a forked child process, and what was counted is the parent's to tell."""
        self.inner.forget()

    def finish(self) -> tuple[int, int, int]:
        """Stop recording, and write what was counted.

        Returns:
            The time in nanoseconds, RSS, and the peak RSS since the session began, in bytes.
        """
        alone = self._flushing.acquire(timeout=_LONGEST_FLUSH_S)
        try:
            self._write_counts()
        finally:
            if alone:
                self._flushing.release()
        return self.inner.finish()

    def _flush(self, longest_wait_s: float) -> None:
        own = get_ident()
        if self._flusher == own or not self._flushing.acquire(timeout=longest_wait_s):  # in the former a signal came
            return
        try:
            self._flusher = own
            self._write_counts()
        finally:
            self._flusher = 0
            self._flushing.release()

    def _write_counts(self) -> None:
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            waiting += node.children.values()
            calls, wall_ns, errors = node.calls, node.wall_ns, node.errors
            if calls:
                # Other threads continue counting: what they add after this reading stays.
                node.calls -= calls
                node.wall_ns -= wall_ns
                node.errors = {}
                self._emit(UnmeasuredCalls(node.path(), calls, wall_ns, errors))
                if not self._told:
                    self._told = True
                    text = "hot phases are sampled: all calls are counted, and the memory is that of those measured"
                    self._emit(Note(self._clock(), "production mode", text))


def _is_worker() -> bool:
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def _spans() -> list[Span]:
    found = []
    span = current.get()
    while span is not None:
        if not span.closed:
            found.append(span)
        span = span.parent
    return found
