"""Phases without a session that leave marks for whatever memray tracker runs: FWMEMTRACE_MARKERS=1.

So a capture made by `memray run`, `memray.Tracker` or pytest-memray of a program that uses `phase` can be cut by phase.
"""

from __future__ import annotations

from itertools import count

from ...tracing import phases
from ...tracing.span import Span, current, leave, new_span, set_current
from .marker_writer import MarkerWriter
from .task_switches import TaskSwitches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...tracing.span import NamedPhase


class MarkersOnly:
    """A tracer for phases that does nothing but leave markers. A session that starts takes its place."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._markers = MarkerWriter(keep=True)
        self._tasks = TaskSwitches(self._markers.mark)

    def begin(self, phase: NamedPhase, /) -> Span:
        """A phase begins in this thread and context."""
        span = new_span(self, next(self._ids), phase)
        if span.closed:
            return span
        set_current(span)
        self._tasks.look()
        self._markers.began(span)
        return span

    def end(self, span: Span, error: type[BaseException] | None, /) -> None:
        """The span's phase ended."""
        if span.closed:
            return
        span.closed = True
        leave(span)
        self._markers.ended(span, current.get())

    def switch(self, span: Span | None, /) -> None:
        """This thread goes on inside another phase, which began before, or in none."""
        self._markers.mark(span)


def install() -> None:
    """Let every phase of this process leave markers."""
    phases.install(MarkersOnly())
