"""Measures the Python heap as tracemalloc sees it: its growth and exact peak over every phase, and the lines that grew.

tracemalloc sees Python objects and the arrays that numpy reports to it, but no torch tensor on the CPU, nor anything
else that calls malloc or mmap itself. Current and peak bytes are read at every edge, which costs microseconds. Lines
need a walk over all live traces, so only some runs have them: see `governor`.
"""

from __future__ import annotations

import threading
from sys import getsizeof
from time import perf_counter_ns
from typing import ClassVar

from ...errors import ProbeUnavailable
from ...records import Overhead, PythonHeap
from ...system.peaks import PeakMeter
from ...tracing.span import Span
from ..base import Probe, ProbeContext
from ..exclusion import ExcludedData, add_exclusion_hooks, excluded_bytes, own_objects, remove_exclusion_hooks
from .file_filter import FileFilter
from .rows import NO_ROWS, HeapRows, rows

try:  # the C module: `tracemalloc` itself brings modules that only its statistics need
    import _tracemalloc
except ImportError:  # not CPython
    _tracemalloc = None  # type: ignore[assignment]


class _OpenRun:
    """What is kept from the begin of a phase until its end."""

    __slots__ = ("before", "edge", "packed")

    edge: int  # of the peak meter
    before: int  # bytes

    def __init__(self) -> None:
        self.packed: ExcludedData | None = None  # the heap by line; None where this run goes without


class PythonHeapProbe(Probe):
    """Switches tracemalloc on, unless the program did; in that case it stays on afterwards, with all its traces.

    The tracer's own memory is subtracted from the figures: what the probe keeps from begin to end of a phase is one
    block of known size, and what it needs at an edge is in no phase's window. tracemalloc has one peak per process,
    which is reset at each edge: a program that reads `tracemalloc.get_traced_memory()[1]` gets the peak since then.
    """

    name: ClassVar[str] = "python_heap"
    rank: ClassVar[int] = 60  # inside of the censuses, so that it does not see what they allocate

    def __init__(self) -> None:
        self._started = False
        self._open = 0
        self._lost = False

    def start(self, context: ProbeContext) -> None:
        if _tracemalloc is None:
            raise ProbeUnavailable("this Python has no _tracemalloc; python_heap needs CPython: leave it out")
        from . import fold as heap_fold  # before tracing is on, so that its own code is not traced

        self._heap = heap_fold
        self._context = context
        self._budget = context.governor.for_probe(context.settings.detail_share)
        self._filter = FileFilter(context.settings.include, context.settings.exclude)
        self._lock = threading.RLock()
        self._peaks = PeakMeter(self._peak, _tracemalloc.reset_peak)
        add_exclusion_hooks(self._close_window, self._skip_window)
        if not _tracemalloc.is_tracing():
            self._started = True  # before it is on: a signal handler may raise right after
            _tracemalloc.start(context.settings.frames)
        elif _tracemalloc.get_traceback_limit() != context.settings.frames:
            context.note(
                f"tracemalloc was already on with {_tracemalloc.get_traceback_limit()} frames per allocation: "
                f"the setting frames={context.settings.frames} has no effect"
            )

    def phase_began(self, span: Span) -> _OpenRun | None:
        if self._switched_off():
            return None
        run = _OpenRun()
        with self._lock:
            if not self._open:
                self._peaks.forget()
            self._open += 1
            if self._budget.grants(span.path):
                self._peaks.edge()  # the walk itself counts for no phase
                run.packed = ExcludedData(self._walk())
                self._peaks.skip()
            run.edge = self._peaks.edge()
            run.before = self._current() - _bytes_of(span, run)
        return run

    def phase_ended(self, span: Span, state: _OpenRun | None) -> None:
        if state is None:
            return
        with self._lock:
            self._open -= 1
            if self._switched_off():
                return
            self._peaks.edge()
            after = self._current() - _bytes_of(span)
            peak = max(self._peaks.since(state.edge), state.before, after)
            found = None
            if state.packed is not None:
                found = self._compare(state.packed.take())
                self._peaks.skip()
        detailed = found is not None
        lists = found or NO_ROWS
        self._context.emit(
            PythonHeap(
                span=span.id,
                before_bytes=state.before,
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
        # tracemalloc goes on in the child with all its traces. The phases around the fork begin again here, which drops
        # what was kept for them.
        self._context = context
        self._lock = threading.RLock()
        self._open = 0
        self._peaks = PeakMeter(self._peak, _tracemalloc.reset_peak)

    def stop(self) -> None:
        remove_exclusion_hooks(self._close_window, self._skip_window)
        if self._started and _tracemalloc.is_tracing():
            self._context.emit(Overhead(0, self.name, 0, _tracemalloc.get_tracemalloc_memory()))
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
        """Return whether somebody stopped tracemalloc: its figures are gone, and starting it again would be a guess."""
        if _tracemalloc.is_tracing():
            return False
        if not self._lost:
            self._lost = True
            self._context.note("the program stopped tracemalloc: later phases have no Python heap")
        return True


def _bytes_of(span: Span, *more: object) -> int:
    return sum(map(getsizeof, own_objects(span.state, *more)))
