"""`Span`, one run of a phase: how it becomes the one that runs in its thread and context, and how it ceases to be."""

from __future__ import annotations

from _thread import get_ident

from .context import changing, current, set_current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .phases import Phase, Tracer


class Span:
    """One run of a phase, from its begin to its end."""

    __slots__ = ("closed", "id", "mark", "parent", "phase", "state", "thread_id", "tracer")

    # `new_span` sets all of them; a constructor would cost as much as the rest of the making.
    id: int
    parent: Span | None
    phase: Phase
    tracer: Tracer
    thread_id: int
    closed: bool
    mark: int  # of the peak meter, when the span began
    state: dict[str, Any] | None  # what probes keep from begin to end, by probe name

    @property
    def path(self) -> str:
        """The phase's name behind those of the phases around it, such as `init/load model`."""
        names = [self.phase.name]
        span = self.parent
        while span is not None:
            names.append(span.phase.name)
            span = span.parent
        return "/".join(reversed(names))

    def wants(self, probe: str) -> bool:
        """Whether this phase asked for the probe of that name: all of them, unless `probes=` said less."""
        return self.phase.probes is None or probe in self.phase.probes


def new_span(tracer: Tracer, number: int, phase: Phase) -> Span:
    """A run of a phase that begins in this thread and context; its tracer makes it the current one when it is ready.

    Args:
        tracer: who follows the run. Runs that another one follows are none of its parents.
        number: of the run, unique in the process.
        phase: what runs.

    Returns:
        The span, closed already if it cannot become the current one: in a finaliser inside of such a change.
    """
    parent = current.get()
    while parent is not None and (parent.closed or parent.tracer is not tracer):
        parent = parent.parent
    span = Span()
    span.id = number
    span.parent = parent
    span.phase = phase
    span.tracer = tracer
    span.thread_id = get_ident()
    span.state = None
    span.closed = span.thread_id in changing
    return span


def leave(span: Span) -> None:
    """A run has ended: where it was the current one, the one around it is so again.

    Blocks may be left out of order; those that have ended already are passed over.
    """
    if current.get() is span:
        outer = span.parent
        while outer is not None and outer.closed:
            outer = outer.parent
        set_current(outer)
