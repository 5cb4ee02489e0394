"""Phases without a session that leave marks for whatever memray tracker runs: FWMEMTRACE_MARKERS=1.

So a capture made by `memray run`, `memray.Tracker` or pytest-memray of a program that uses `phase` can be cut by phase.
"""

from __future__ import annotations

import threading
from itertools import count

from .. import phases
from ..context import changing, current, set_current
from ..phases import Phase, Span
from .markers import Markers
from .task_switches import TaskSwitches


class MarksOnly:
    """A tracer for phases that does nothing but leave marks. A session that starts takes its place."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._markers = Markers(keep=True)
        self._tasks = TaskSwitches(self._markers.mark)

    def begin(self, phase: Phase) -> Span:
        """A phase begins in this thread and context."""
        parent = current.get()
        while parent is not None and (parent.closed or parent.tracer is not self):
            parent = parent.parent
        span = Span()
        span.id = next(self._ids)
        span.parent = parent
        span.phase = phase
        span.tracer = self
        span.thread_id = threading.get_ident()
        span.state = None
        span.closed = span.thread_id in changing  # a finaliser inside of a change: its phase cannot be current
        if span.closed:
            return span
        set_current(span)
        self._tasks.look()
        self._markers.began(span)
        return span

    def end(self, span: Span, error: type[BaseException] | None) -> None:
        """The span's phase ended."""
        if span.closed:
            return
        span.closed = True
        if current.get() is span:
            set_current(span.parent)
        self._markers.ended(span, current.get())

    def switch(self, span: Span | None) -> None:
        """This thread goes on inside another phase, which began before, or in none."""
        self._markers.mark(span)


def install() -> None:
    """Let every phase of this process leave marks."""
    phases.install(MarksOnly())
