"""Samples the live heap: what malloc, mmap and Python's allocators gave out, by phase and stack. It may always be on.

The compiled core does the work. Its tables are in a file next to the trace, which a process that is killed leaves
behind as it is; a clean stop moves them into the trace.
"""

from __future__ import annotations

import os
from sys import modules
from time import perf_counter_ns
from typing import Any, ClassVar

from ..core import load
from ..errors import ProbeUnavailable
from ..foreign_errors import is_the_programs, pass_on
from ..paths import encodable
from ..records import CaptureChunk, Note
from ..tracefile.layout import HEAP_SUFFIX
from ..tracing.phases import MOST_PATHS
from ..tracing.span import Span, current
from .base import Probe, ProbeContext
from .live_heap import describe
from .task_switches import TaskSwitches

_PIECE = 1024 * 1024
_UNSEEN_SWITCHES = ("uvloop", "greenlet")  # modules that switch tasks without running Python code that can be wrapped


class HeapProbe(Probe):
    """Tells the sampler which phase a thread is in; the rest happens in the core."""

    name: ClassVar[str] = "heap"
    rank: ClassVar[int] = 65
    measured: ClassVar[bool] = False

    def __init__(self) -> None:
        self._core: Any = None
        self._tasks: TaskSwitches | None = None

    def start(self, context: ProbeContext) -> None:
        core, reason = load()
        if core is None:
            raise ProbeUnavailable(
                f"the sampled heap needs the compiled core: {reason}; install fwmemtrace where a C compiler is"
            )
        if (reason := core.heap_check()) is not None:
            raise ProbeUnavailable(f"the sampled heap does not work on this Python: {reason}")
        self._context = context
        self._path = None if context.trace_path is None else context.trace_path + HEAP_SUFFIX
        settings = context.settings
        seed = int.from_bytes(os.urandom(8), "little")
        try:
            self._core = core  # before it is on: a signal handler may raise right after
            error = core.heap_start(self._path, settings.sample_bytes, seed, settings.native_traces)
        except (RuntimeError, MemoryError) as problem:
            if is_the_programs(problem):
                raise
            self._core = None
            raise ProbeUnavailable(f"the sampler does not start: {problem}") from problem
        if error:
            self._context.note(
                f"{self._path} cannot be mapped ({os.strerror(error)}): the sampled heap is written only at a clean "
                "stop, and a kill loses it"
            )
            self._path = None
        self._phases: dict[tuple[int, str], int] = {}
        self._switch = core.heap_switch
        self._watching = self._reads_context = False
        self._tasks = TaskSwitches(self.switched)
        self._tasks.follow()
        self.switched(current.get())

    def phase_began(self, span: Span) -> None:
        if self._tasks is not None:
            self._tasks.follow()
        number = span.heap_phase = self._number(span)
        if not self._watching and not modules.keys().isdisjoint(_UNSEEN_SWITCHES):
            self._watching = True
            self._reads_context = self._core.heap_watch(current, vars(Span)["heap_phase"], vars(Span)["parent"])
        self._core.heap_begin(number)

    def phase_ended(self, span: Span, state: None) -> None:
        self.switched(current.get())

    def switched(self, span: Span | None) -> None:
        while span is not None and not span.wants(self.name):
            span = span.parent
        self._switch(0 if span is None else self._number(span))

    def snapshot(self, reason: str) -> None:
        if self._core is not None:
            mean, total, sites = self._core.heap_largest()
            if total[2]:  # samples
                text = describe(mean, total, sites)
                self._context.emit(Note(perf_counter_ns(), "snapshot", self._context.redact(text)))

    def after_fork(self, context: ProbeContext) -> None:
        core, self._core = self._core, None
        if core is not None:
            core.heap_after_fork()
        if self._tasks is not None:
            self._tasks.stop()
        self.start(context)

    def stop(self) -> None:
        if self._tasks is not None:
            self._tasks.stop()
            if not self._reads_context and (unseen := self._tasks.unseen()) is not None:
                self._context.note(unseen)
            self._tasks = None
        core, self._core = self._core, None
        if core is None:
            return
        contents = core.heap_stop()
        if not contents:
            self._context.note(f"{self._path} was truncated by another program: the sampled heap is lost")
        for offset in range(0, len(contents), _PIECE):
            piece = contents[offset : offset + _PIECE]
            self._context.emit(CaptureChunk(self.name, offset, len(contents), piece))
        if self._path is not None and self._context.delivered():
            try:
                os.unlink(self._path)
            except OSError as error:
                pass_on(error)
                if not isinstance(error, FileNotFoundError):  # the program has removed it itself
                    self._context.note(f"{self._path} cannot be removed ({error.strerror}); the trace has its contents")

    def _number(self, span: Span) -> int:
        """Return the sampler's number for the path of a span. Paths beyond the limit count toward the one around."""
        around = 0 if span.parent is None else self._number(span.parent)
        key = around, span.phase.name
        number = self._phases.get(key)
        if number is None:
            if len(self._phases) >= MOST_PATHS:
                return around
            number = self._phases[key] = self._core.heap_phase(around, encodable(span.phase.name).encode())
        return number
