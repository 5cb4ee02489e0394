"""The Python heap as tracemalloc sees it: its growth and exact peak over every phase, and the lines that grew.

What Python objects take, and what numpy tells tracemalloc of its arrays; no byte of a torch tensor on the CPU, nor of
anything else that calls malloc or mmap itself. Current and peak bytes are read at every edge, which costs microseconds.
The lines need a walk over every live trace, which does not: see `edge_budget`.
"""

from __future__ import annotations

import threading
from sys import getsizeof
from time import perf_counter_ns
from typing import ClassVar

from ...errors import ProbeUnavailable
from ...records import Note, PythonHeap
from ...system.peaks import PeakMeter
from ...tracing.span import Span
from ..base import BaseProbe, ProbeContext
from ..exclusion import ExcludedData, add_exclusion_hooks, excluded_bytes, own_objects, remove_exclusion_hooks
from ..governor import Governor
from .rows import NOTHING, FileFilter, HeapRows, rows

try:  # the C module: `tracemalloc` itself brings modules that only its statistics need
    import _tracemalloc
except ImportError:  # not CPython
    _tracemalloc = None  # type: ignore[assignment]


class _Begin:
    """What a phase's begin leaves for its end."""

    __slots__ = ("before", "mark", "packed")

    mark: int  # of the peak meter
    before: int  # bytes

    def __init__(self) -> None:
        self.packed: ExcludedData | None = None  # the heap by line; None where this run goes without


class PythonHeapProbe(BaseProbe):
    """Switches tracemalloc on, unless the program did; then it is left on, and its traces untouched, afterwards.

    Figures that tracemalloc has of the tracer's own are taken out of them: what the probe keeps from begin to end of a
    phase is one block of known size, and what it needs in between lies in no phase's window. tracemalloc has one peak
    a process, which is reset at each edge: a program that reads `tracemalloc.get_traced_memory()[1]` itself meanwhile
    reads the peak since the latest edge.
    """

    name: ClassVar[str] = "python_heap"

    def __init__(self) -> None:
        self._started = False
        self._open = 0
        self._lost = False

    def start(self, context: ProbeContext) -> None:
        if _tracemalloc is None:
            raise ProbeUnavailable("found no _tracemalloc here, expected CPython: leave python_heap out")
        from . import fold as heap_fold  # before tracing is on: its own code is not to be traced

        self._heap = heap_fold
        self._context = context
        self._budget = Governor(context.settings.detail_share)
        self._filter = FileFilter(context.settings.include, context.settings.exclude)
        self._lock = threading.RLock()
        self._peaks = PeakMeter(self._peak, _tracemalloc.reset_peak)
        add_exclusion_hooks(self._close_window, self._skip_window)
        if not _tracemalloc.is_tracing():
            _tracemalloc.start(context.settings.frames)
            self._started = True
        elif _tracemalloc.get_traceback_limit() != context.settings.frames:
            self._note(
                f"tracemalloc was on already, with {_tracemalloc.get_traceback_limit()} frames an allocation: "
                f"the setting frames={context.settings.frames} has no effect"
            )

    def phase_began(self, span: Span) -> None:
        if self._switched_off():
            return
        begin = _Begin()
        if span.state is None:
            span.state = {}
        span.state[self.name] = begin
        with self._lock:
            if not self._open:
                self._peaks.forget()
            self._open += 1
            if self._budget.grants(span.path):
                self._peaks.edge()  # what the walk needs counts for nobody
                begin.packed = ExcludedData(self._walk())
                self._peaks.skip()
            begin.mark = self._peaks.edge()
            begin.before = self._current() - _bytes_of(span)

    def phase_ended(self, span: Span) -> None:
        begin: _Begin | None = (span.state or {}).get(self.name)
        if begin is None:
            return
        with self._lock:
            self._open -= 1
            if self._switched_off():
                return
            self._peaks.edge()
            after = self._current() - _bytes_of(span)
            peak = max(self._peaks.since(begin.mark), begin.before, after)
            found = None
            if begin.packed is not None:
                found = self._compare(begin.packed.data)
                begin.packed = None
                self._peaks.skip()
        detailed = found is not None
        lists = found or NOTHING
        self._context.emit(
            PythonHeap(
                span=span.id,
                before_bytes=begin.before,
                after_bytes=after,
                peak_bytes=peak,
                top=lists.growth,
                detailed=detailed,
                largest=lists.size,
                packages=lists.packages,
                stacks=lists.stacks,
                largest_packages=lists.packages_by_size,
                largest_stacks=lists.stacks_by_size,
            )
        )

    def after_fork(self, context: ProbeContext) -> None:
        # tracemalloc goes on in the child with all its traces. The phases around the fork begin anew here, and what
        # was kept for them is dropped then.
        self._context = context
        self._lock = threading.RLock()
        self._open = 0
        self._peaks = PeakMeter(self._peak, _tracemalloc.reset_peak)

    def stop(self) -> None:
        remove_exclusion_hooks(self._close_window, self._skip_window)
        if self._started and _tracemalloc.is_tracing():
            _tracemalloc.stop()
        self._started = False

    def _close_window(self) -> None:
        with self._lock:
            self._peaks.edge()

    def _skip_window(self) -> None:
        with self._lock:
            self._peaks.skip()

    def _walk(self) -> bytes:
        began = perf_counter_ns()
        packed = self._heap.pack(self._filter.apply(self._heap.fold_heap()))
        self._budget.spend(perf_counter_ns() - began)
        return packed

    def _compare(self, packed: bytes) -> HeapRows:
        began = perf_counter_ns()
        after = self._filter.apply(self._heap.fold_heap())
        several = _tracemalloc.get_traceback_limit() > 1
        found = rows(self._heap.unpack(packed), after, self._context.settings.top, with_stacks=several)
        self._budget.spend(perf_counter_ns() - began)
        return found

    def _peak(self) -> int:
        return _tracemalloc.get_traced_memory()[1] - excluded_bytes()

    def _current(self) -> int:
        return _tracemalloc.get_traced_memory()[0] - excluded_bytes()

    def _switched_off(self) -> bool:
        """Whether somebody stopped tracemalloc: its figures are gone, and starting it anew would be to guess."""
        if _tracemalloc.is_tracing():
            return False
        if not self._lost:
            self._lost = True
            self._note("something stopped tracemalloc: phases from here on have no Python heap")
        return True

    def _note(self, message: str) -> None:
        self._context.emit(Note(perf_counter_ns(), self.name, message))


def _bytes_of(span: Span) -> int:
    return sum(map(getsizeof, own_objects(span.state)))
