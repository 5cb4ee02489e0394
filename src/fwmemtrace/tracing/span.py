"""`Span`, one run of a phase, and which span is the current one of a thread and context."""

from __future__ import annotations

import sys
from _thread import get_ident
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any, Protocol

    from ..paths import PhasePath

    Attribute = str | int | float | bool

    class NamedPhase(Protocol):
        """What a span needs of the phase that runs; see `phases.Phase`."""

        @property
        def name(self) -> str: ...
        @property
        def probes(self) -> Collection[str] | None: ...
        @property
        def attributes(self) -> dict[str, Attribute] | None: ...

    class Tracer(Protocol):
        """What a session offers to the phases of its process."""

        def begin(self, phase: NamedPhase, /) -> Span: ...
        def end(self, span: Span, error: type[BaseException] | None, /) -> None: ...
        def switch(self, span: Span | None, /) -> None: ...


current: ContextVar[Span | None] = ContextVar("fwmemtrace.current", default=None)

# The threads that are changing a context right now, by their idents.
changing: set[int] = set()


def _set_guarded(span: Span | None) -> None:
    """Change the running phase, unless this thread is in the middle of doing so.

    Up to Python 3.11 the garbage collector may run inside `ContextVar.set`, and with it finalisers, `gc.callbacks` and
    signal handlers. One of them that sets the same variable frees what the outer call still reads: the interpreter
    crashes. So an inner call does nothing; what the outer one sets is right after it.
    """
    thread_id = get_ident()
    if thread_id in changing:
        return
    changing.add(thread_id)
    try:
        current.set(span)
    finally:
        changing.discard(thread_id)


# From 3.12 on the collector runs between bytecodes only.
set_current: Callable[[Span | None], object] = current.set if sys.version_info >= (3, 12) else _set_guarded


class Span:
    """One run of a phase, from its begin to its end."""

    __slots__ = ("closed", "id", "mark", "parent", "phase", "state", "thread_id", "tracer")

    # `new_span` sets all of them; a constructor would cost as much as the rest of the making.
    id: int
    parent: Span | None
    phase: NamedPhase
    tracer: Tracer
    thread_id: int
    closed: bool
    mark: int  # of the peak meter, when the span began
    state: dict[str, Any] | None  # what probes keep from begin to end, by probe name

    @property
    def path(self) -> PhasePath:
        """The names of the phases around it and its own, outermost first, such as `("init", "load model")`."""
        names = [self.phase.name]
        span = self.parent
        while span is not None:
            names.append(span.phase.name)
            span = span.parent
        return tuple(reversed(names))

    def wants(self, probe: str) -> bool:
        """Whether this phase asked for the probe of that name: all of them, unless `probes=` said less."""
        return self.phase.probes is None or probe in self.phase.probes


def new_span(tracer: Tracer, number: int, phase: NamedPhase) -> Span:
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
