"""The protocol of a probe: what a session calls, and what it hands over."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol, TypeAlias

import msgspec

from ..config import Settings
from ..records import Record
from ..system.meter import Meter
from ..tracing.span import Span

Emit: TypeAlias = Callable[[Record], None]


class ProbeContext(msgspec.Struct, frozen=True):  # `dataclasses` would bring `inspect` into the traced process
    """What a session hands to a probe when it starts it.

    Attributes:
        emit: takes a record to the sink; it may be called from any thread and never raises.
        settings: those of the session.
        trace_path: where the trace file is written, for a probe that keeps a file of its own beside it; None where
            the sink writes no file.
        meter: reads this process's memory, for a probe that needs a figure of the operating system's.
        delivered: whether every record so far reached the trace file at `trace_path`.
    """

    emit: Emit
    settings: Settings
    trace_path: str | None
    meter: Meter
    delivered: Callable[[], bool] = lambda: False


class Probe(Protocol):
    """An instrument.

    The session starts the probes in their order, calls `phase_began` in that order too, and everything else in the
    reverse order, so that the first probe is the outermost and the last one's edges lie closest to the phase. What a
    call costs in time and RSS is measured by the session and recorded as this probe's overhead. A call that raises
    switches the probe off for the rest of the session.
    """

    name: ClassVar[str]
    frugal: ClassVar[bool]  # its calls at phase edges cost no more than measuring them would: they go unmeasured

    def start(self, context: ProbeContext) -> None:
        """Begin to measure.

        Raises:
            ProbeUnavailable: if it cannot work here; the message says why and what to do.
        """

    def phase_began(self, span: Span) -> None:
        """A phase is about to begin, in the calling thread."""

    def phase_ended(self, span: Span) -> None:
        """A phase has just ended, in the calling thread; records about the span are emitted now or never."""

    def switched(self, span: Span | None) -> None:
        """The calling thread goes on inside another phase, or none: a generator was suspended or resumed."""

    def after_fork(self, context: ProbeContext) -> None:
        """This is the child of a fork, and the parent's instrument its copy: start over for this process."""

    def stop(self) -> None:
        """Stop measuring, emit what is left, and leave nothing behind in the process."""


class BaseProbe:
    """A probe that does nothing: derive from it and say only what yours does."""

    name: ClassVar[str] = ""
    frugal: ClassVar[bool] = False

    def start(self, context: ProbeContext) -> None: ...

    def phase_began(self, span: Span) -> None: ...

    def phase_ended(self, span: Span) -> None: ...

    def switched(self, span: Span | None) -> None: ...

    def after_fork(self, context: ProbeContext) -> None:
        self.start(context)

    def stop(self) -> None: ...
