"""Decorated functions that are pickled by value, as cloudpickle does with those of `__main__`.

Such a function takes along the globals that its code names, the tracer among them. Where it is unpickled it reports to
whatever tracer that process has when it is called.
"""

from __future__ import annotations

from . import active

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .span import Attribute, NamedPhase, Span, Tracer


class CurrentTracer:
    """Passes everything on to the tracer of this process, if there is one."""

    def begin(self, phase: NamedPhase, /) -> Span | None:
        """A phase begins."""
        tracer = active.installed()
        return None if tracer is None else tracer.begin(phase)

    def end(self, span: Span | None, error: type[BaseException] | None, /) -> None:
        """A phase ended."""
        if span is not None:
            span.tracer.end(span, error)

    def switch(self, span: Span | None, /) -> None:
        """This thread continues in another phase."""
        tracer = active.installed()
        if tracer is not None:
            tracer.switch(span)

    def annotate(self, span: Span, attributes: dict[str, Attribute], /) -> None:
        """A phase gets attributes."""
        span.tracer.annotate(span, attributes)

    def __reduce__(self) -> tuple[type[CurrentTracer], tuple[()]]:
        return CurrentTracer, ()


def reduce(tracer: Tracer) -> tuple[Any, tuple[Any, ...]]:
    """Pickle a tracer as the current one; for `copyreg`."""
    return CurrentTracer, ()
