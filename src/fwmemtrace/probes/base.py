"""`Probe`, the base class of every probe, and `ProbeContext`, what a session hands to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import Any, ClassVar, TypeAlias

import msgspec

from ..config import Settings
from ..records import Note, Record
from ..system.meter import Meter
from ..tracing.span import Span
from .attribution import Attribution
from .governor import Governor

Emit: TypeAlias = Callable[[Record], None]


class ProbeContext(msgspec.Struct, frozen=True):  # `dataclasses` would bring `inspect` into the traced process
    """What a session hands to a probe that it starts.

    Attributes:
        emit: writes a record to the trace; may be called from any thread, and never raises.
        settings: the session's settings.
        trace_path: the path of the trace file, for a probe that writes a file of its own next to it; None if the sink
            writes no file.
        meter: reads the memory of this process.
        governor: limits the time that expensive readings take.
        attribution: the changes of RSS that probes account for exactly, such as imports.
        delivered: tells whether every record so far has reached the trace file at `trace_path`.
        redact: returns a text without secrets; `note` applies it.
        tick: tells the session that time has passed, from a thread of a probe that looks every few milliseconds.
        snapshot: lets all other probes record what there is now, for a probe that has seen a reason.
        source: the name that `note` puts on its notes; the session sets it to the probe's name.
    """

    emit: Emit
    settings: Settings
    trace_path: str | None
    meter: Meter
    governor: Governor
    attribution: Attribution
    delivered: Callable[[], bool] = lambda: False
    redact: Callable[[str], str] = str
    tick: Callable[[], None] = lambda: None
    snapshot: Callable[[str], None] = lambda reason: None
    source: str = ""

    def note(self, message: str) -> None:
        """Write a note into the trace: something that readers of the report should know."""
        self.emit(Note(perf_counter_ns(), self.source, self.redact(message)))


class Probe:
    """The base class of probes. Override what your probe needs: hooks that are not overridden are never called.

    The session starts its probes by `rank` and calls `phase_began` in that order. It calls `phase_ended` and `stop` in
    the reverse order, so that the first probe is the outermost and the readings of the last are closest to the phase. A
    hook that raises switches its probe off for the rest of the session; the program never sees the exception.

    A phase with `probes=[...]` is passed over by all other probes: the session does not call their hooks for it. A
    probe that also measures between the edges, such as a hook of the import system, asks `span.wants(self.name)`.

    Attributes:
        name: the name in settings and records.
        rank: the place in the order; the default is outside of all built-in probes but `resident`.
        measured: whether the session measures the time and RSS that the probe takes at the edges of phases, records
            them as overhead, and keeps its memory out of peaks. False for hooks that cost less than measuring them.
        conflicts: names of probes that it cannot run together with, each with the reason.
        outermost_only: whether `phase_began` and `phase_ended` are called for outermost phases only.
    """

    name: ClassVar[str] = ""
    rank: ClassVar[int] = 10
    measured: ClassVar[bool] = True
    outermost_only: ClassVar[bool] = False
    conflicts: ClassVar[Mapping[str, str]] = {}

    def start(self, context: ProbeContext) -> None:
        """Start to measure.

        Args:
            context: what the session offers; it is valid until `stop`, or until `after_fork` brings a new one.

        Raises:
            ProbeUnavailable: if the probe cannot work here; the message says why and what to do.
        """

    def phase_began(self, span: Span) -> Any:
        """A phase is about to begin in the calling thread.

        Returns:
            What `phase_ended` needs of it, or None. The session keeps it, and keeps it out of the other probes'
            figures.
        """

    def phase_ended(self, span: Span, state: Any) -> None:
        """A phase has ended in the calling thread. Records about its span must be emitted now.

        Args:
            span: the run of the phase.
            state: what `phase_began` returned for it.
        """

    def switched(self, span: Span | None) -> None:
        """A generator was suspended or resumed: the calling thread continues in another phase.

        Args:
            span: the innermost span around it that this probe measures; None if there is none.
        """

    def snapshot(self, reason: str) -> None:
        """Record what there is now, in no phase: on demand, from any thread.

        Args:
            reason: why, for the trace.
        """

    def after_fork(self, context: ProbeContext) -> None:
        """This is a forked child process, and the probe a copy of the parent's: start over.

        The session then calls `phase_began` again for the phases that are open around the fork.
        """
        self.start(context)

    def stop(self) -> None:
        """Stop measuring, emit what is left, and remove everything from the process."""
