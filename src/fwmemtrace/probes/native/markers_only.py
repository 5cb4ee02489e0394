"""Leaves markers without a session, for any memray tracker that runs: FWMEMTRACE_MARKERS=1.

So the capture that `memray run`, `memray.Tracker` or pytest-memray makes of a program with phases can be read by phase.
"""

from __future__ import annotations

from itertools import count

from ...tracing import active
from ...tracing.span import Span, current, leave, new_span, set_current
from ..task_switches import TaskSwitches
from .marker_writer import MarkerWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...tracing.span import Attribute, NamedPhase


class MarkersOnly:
    """A tracer that only leaves markers. A session that starts takes its place."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._markers = MarkerWriter(keep=True)
        self._tasks = TaskSwitches(self._markers.switch)

    def begin(self, phase: NamedPhase, /) -> Span:
        """Begin a run of a phase in this thread and context."""
        span = new_span(self, next(self._ids), phase)
        if span.closed:
            return span
        set_current(span)
        self._tasks.follow()
        self._markers.begin(span)
        return span

    def end(self, span: Span, error: type[BaseException] | None, /) -> None:
        """End the run."""
        if span.closed:
            return
        span.closed = True
        leave(span)
        self._markers.end(span, current.get())

    def switch(self, span: Span | None, /) -> None:
        """Go on in this thread inside a run that began before, or in none."""
        self._markers.switch(span)

    def annotate(self, span: Span, attributes: dict[str, Attribute], /) -> None:
        """Do nothing: a marker has no room for attributes."""


def install() -> None:
    """Make every phase of this process leave markers."""
    active.install(MarkersOnly())
