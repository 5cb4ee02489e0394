"""`Span`, one run of a phase, and the span that is current in a thread and context."""

from __future__ import annotations

import os
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
        """What a span needs to know about its phase; see `phases.Phase`."""

        @property
        def name(self) -> str: ...
        @property
        def probes(self) -> Collection[str] | None: ...
        @property
        def attributes(self) -> dict[str, Attribute] | None: ...

    class Tracer(Protocol):
        """What the phases of a process report to while a session is on."""

        def begin(self, phase: NamedPhase, /) -> Span: ...
        def end(self, span: Span, error: type[BaseException] | None, /) -> None: ...
        def switch(self, span: Span | None, /) -> None: ...
        def annotate(self, span: Span, attributes: dict[str, Attribute], /) -> None: ...


current: ContextVar[Span | None] = ContextVar("fwmemtrace.current", default=None)

# The idents of the threads that are inside `_set_guarded` right now.
changing: set[int] = set()


def _set_guarded(span: Span | None) -> None:
    """Set the current span, unless this thread is already doing so.

    Up to Python 3.11 the garbage collector may run inside `ContextVar.set`, and with it finalisers, `gc.callbacks` and
    signal handlers. If one of them sets the same variable, it frees what the outer call still reads, and the
    interpreter crashes. So an inner call does nothing: the outer call is about to set the right value anyway.
    """
    thread_id = get_ident()
    if thread_id in changing:
        return
    try:
        changing.add(thread_id)  # inside: a signal handler may raise right after it
        current.set(span)
    finally:
        changing.discard(thread_id)


def _forget_other_threads() -> None:
    """This is a forked child: the parent's other threads are not here, and their idents will be those of new ones."""
    changing.intersection_update({get_ident()})


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)


# From 3.12 on the collector runs only between bytecodes.
set_current: Callable[[Span | None], object] = current.set if sys.version_info >= (3, 12) else _set_guarded


class Span:
    """One run of a phase, from its begin to its end."""

    __slots__ = ("closed", "heap_phase", "id", "node", "parent", "peak_index", "phase", "state", "thread_id", "tracer")

    # `new_span` sets these; calling a constructor would double the cost of making a span.
    id: int
    parent: Span | None
    phase: NamedPhase
    tracer: Tracer
    thread_id: int
    closed: bool
    peak_index: int  # the edge of the peak meter at which the span began
    heap_phase: int  # the number of its phase in the sampler; missing without the probe `heap`
    node: Any  # what a sampling recorder keeps for the path; see `recording.sampling`
    state: dict[str, Any] | None  # what the session keeps from begin to end for each probe, by the probe's name

    @property
    def path(self) -> PhasePath:
        """The names of the enclosing phases and its own, outermost first, such as `("init", "load model")`."""
        names = [self.phase.name]
        span = self.parent
        while span is not None:
            names.append(span.phase.name)
            span = span.parent
        return tuple(reversed(names))

    def wants(self, probe: str) -> bool:
        """Whether the probe of this name measures the phase: every probe does, unless the phase has `probes=`."""
        return self.phase.probes is None or probe in self.phase.probes


def new_span(tracer: Tracer, number: int, phase: NamedPhase) -> Span:
    """Make the span of a phase that begins in this thread and context. The tracer makes it current once it is ready.

    Args:
        tracer: the tracer that the phase reports to. Spans of another tracer are skipped when looking for the parent.
        number: the span's id, unique in the process.
        phase: the phase that begins.

    Returns:
        The span. It is closed already if it cannot become current, because a finaliser or signal handler begins it
        while this thread is setting the current span.
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
    span.peak_index = 0
    span.state = None
    span.closed = span.thread_id in changing
    return span


def leave(span: Span) -> None:
    """Make the enclosing span current again, if the span that ended is the current one.

    Blocks may end out of order: enclosing spans that are closed are skipped.
    """
    if current.get() is span:
        outer = span.parent
        while outer is not None and outer.closed:
            outer = outer.parent
        set_current(outer)


def open_spans(tracer: Tracer | None = None) -> list[Span]:
    """Return the spans that are open around the caller, outermost first.

    Args:
        tracer: if given, only the spans of this tracer.
    """
    found = []
    span = current.get()
    while span is not None:
        if not span.closed and tracer in (None, span.tracer):
            found.append(span)
        span = span.parent
    return found[::-1]
