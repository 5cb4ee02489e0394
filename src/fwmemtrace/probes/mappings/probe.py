"""Reads at the edges of phases who owns the resident pages: smaps by owner, and what the allocators have in use."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from time import perf_counter_ns
from typing import ClassVar

import msgspec

from ...errors import ProbeUnavailable
from ...foreign_errors import pass_on
from ...records import MappingRow, MappingsEdge, MappingsReading
from ...system import proc, smaps
from ...system.allocators import AllocatorReader
from ...system.descriptors import close
from ...system.library_pools import find_pool_lookup
from ...system.meter import MemoryUsage
from ...system.own_memory import OwnMemory
from ...system.threads import count_threads
from ...tracing.span import Span
from ..base import Probe, ProbeContext
from ..exclusion import leave_out, leave_out_no_longer
from .allocator_marks import bytes_in_arena
from .anonymous import AnonymousMemory
from .rows import Owner, Reading, rows_by_owner

# Reading smaps takes milliseconds in a big process: at most this share of the time goes to it, once the first runs of
# every path of phases have been read. Inner phases leave half of it to the outermost ones.
_SHARE = 0.01
_INNER_PART = 0.5
_ADVANCE_NS = 5_000_000  # may be spent when the session has just begun: the process is small then
_FIRST_RUNS = 2
_FIRST_SHARE = 0.05  # for the first runs, beyond their first second: with many mappings a reading takes longer
_FIRST_ADVANCE_NS = 1_000_000_000
_PATHS = 64  # a program may make up names as it goes: further paths have to wait for their share
# While RSS has moved by no more than this since the latest reading, its mappings stand, and only the allocators are
# asked again, which takes a tenth of a millisecond. Once the share of time is used up, RSS may move further.
_SAME_BYTES = 64 * 1024
_SAME_PART = 512
_WORTH_A_LOOK = 1024 * 1024
_RESERVED = 64 * 1024 * 1024  # a change of the address space that is worth a look though RSS has not moved


class _OpenRun:
    """What is kept from the begin of a phase until its end."""

    __slots__ = ("faults", "first", "reading", "rss")

    def __init__(self, *, first: bool = False, reading: int = 0, rss: int = 0, faults: int = 0) -> None:
        self.first = first  # its end is read, whatever that costs
        self.reading = reading  # the earlier reading that stands for its begin, which no record says yet
        self.rss = rss
        self.faults = faults


class MappingsProbe(Probe):
    """Reads smaps at the edges of phases: both edges of a run, its end if RSS has moved, or none."""

    name: ClassVar[str] = "mappings"
    rank: ClassVar[int] = 50  # close to the phase, but outside of the probes whose memory would show in its rows

    def __init__(self) -> None:
        self._number = 0  # of the latest reading
        self._rows_of = 0  # the latest that looked at the mappings
        self._rows_rss = self._rows_vms = 0
        self._rows_faults = 0
        self._untouched = 0  # by the latest reading that looked at the mappings
        self._forked = False
        self._lock = threading.RLock()  # phases of several threads; a finaliser may run one inside a reading
        self._reading = False
        self._waiting: dict[int, _OpenRun] = {}  # open runs whose begin has no record yet, by span
        self._swapped = 0  # by the latest reading that looked at the mappings
        self._known: dict[str, Owner] = {}
        self._arenas: list[int] = []  # addresses of Python's, as of the latest reading that looked at the mappings

    def start(self, context: ProbeContext) -> None:
        try:
            close(proc.open_file("smaps"))
        except OSError as error:
            pass_on(error)
            raise ProbeUnavailable(
                f"{proc.path_of('smaps')} cannot be read ({error}): the ledger needs Linux with /proc mounted; "
                "leave mappings out"
            ) from error
        self._use(context)
        self._allocators = AllocatorReader()
        self._budget = context.governor.for_probe(
            _SHARE,
            advance_ns=_ADVANCE_NS,
            first_runs=_FIRST_RUNS,
            first_paths=_PATHS,
            first_share=_FIRST_SHARE,
            first_advance_ns=_FIRST_ADVANCE_NS,
        )
        with OwnMemory() as memory:
            if not memory.readable:
                context.note(
                    f"{proc.path_of('mem')} or {proc.path_of('pagemap')} cannot be read: anonymous memory that the "
                    "kernel does not name counts as unexplained"
                )
        leave_out(self)  # it keeps more of one reading than of another
        self._take(0, "begin")

    def _use(self, context: ProbeContext) -> None:
        self._context = context
        self._known.clear()
        path = context.trace_path
        self._own_files = frozenset() if path is None else frozenset({os.path.abspath(f"{path}.memray")})

    def after_fork(self, context: ProbeContext) -> None:
        self._use(context)
        self._lock = threading.RLock()
        self._reading = False
        self._number = self._rows_of = 0
        self._forked = True
        self._waiting.clear()
        self._take(0, "begin")

    def phase_began(self, span: Span) -> _OpenRun | None:
        run: _OpenRun | None = None
        if self._budget.grants_first(span.path):
            run = _OpenRun(first=True)
        else:
            rss = self._context.meter.rss()
            if self._rows_of and self._moved_since_rows(rss) <= _SAME_BYTES:
                # The latest reading stands for the begin, should there be anything to record by the phase's end.
                run = self._waiting[span.id] = _OpenRun(reading=self._number, rss=rss, faults=self._faults())
            elif self._can_afford(span):
                run = _OpenRun()
        if run is not None and not run.reading:
            self._take(span.id, "begin")
        return run

    def phase_ended(self, span: Span, state: _OpenRun | None) -> None:
        rss = self._context.meter.rss()
        if state is None:
            # The reading before the run is too long ago for its begin, but not for the run and what else came since.
            if self._moved_since_rows(rss) > _WORTH_A_LOOK and self._can_afford(span):
                self._take(span.id, "end")
            return
        moved = max(abs(rss - state.rss), self._faults() - state.faults)
        if state.first or (self._can_afford(span) and not (state.reading and moved <= _SAME_BYTES)):
            self._take(span.id, "end")
        self._waiting.pop(span.id, None)

    def snapshot(self, reason: str) -> None:
        self._take(0, "end")

    def stop(self) -> None:
        self._take(0, "end")
        leave_out_no_longer(self)

    def _can_afford(self, span: Span) -> bool:
        return self._budget.affords(1.0 if span.parent is None else _INNER_PART)

    def _take(self, span: int, edge: str) -> None:
        with self._lock:
            if self._reading:  # a finaliser runs a phase inside a reading
                return
            self._reading = True
            try:
                for waiting, run in list(self._waiting.items()):
                    self._context.emit(MappingsEdge(waiting, "begin", run.reading))
                self._waiting.clear()
                reading = self._read()
                self._context.emit(reading)
                self._context.emit(MappingsEdge(span, edge, reading.reading))
            finally:
                self._reading = False

    def _read(self) -> MappingsReading:
        began = perf_counter_ns()
        allocators = self._allocators.read()
        rss = self._context.meter.rss()
        rows: list[MappingRow] = []
        if not self._rows_still_hold(rss):
            rows, self._untouched = self._read_rows()
            meter = self._context.meter
            rss, self._rows_vms = meter.rss(), meter.vms()
            self._rows_rss, self._rows_faults = rss, self._faults()
            uss, pss = sum(row.private_bytes for row in rows), sum(row.pss_bytes for row in rows)
            meter.learn(MemoryUsage(rss, self._rows_vms, uss, pss, self._swapped))
            self._rows_of = self._number + 1
        if allocators.python_in_use_bytes is None and self._arenas:
            allocators = msgspec.structs.replace(allocators, python_in_use_bytes=self._count_pools())
        self._number += 1
        ended = perf_counter_ns()
        self._budget.spend(ended - began)
        return MappingsReading(
            self._number, ended, ended - began, rss, rows, allocators, self._rows_of, count_threads(), self._untouched
        )

    def _rows_still_hold(self, rss: int) -> bool:
        if not self._rows_of:
            return False
        if abs(self._context.meter.vms() - self._rows_vms) > _RESERVED:
            return False
        moved = self._moved_since_rows(rss)
        return moved <= (_SAME_BYTES if self._budget.affords() else max(_WORTH_A_LOOK, rss // _SAME_PART))

    def _moved_since_rows(self, rss: int) -> int:
        return max(abs(rss - self._rows_rss), self._faults() - self._rows_faults)

    def _faults(self) -> int:
        """Return what page faults may have made private since the process was forked, in bytes; 0 if it was not.

        A forked process that writes to a page gets a copy of its own, which leaves RSS where it is.
        """
        if not self._forked:
            return 0
        from resource import RUSAGE_SELF, getrusage  # not on Windows

        return getrusage(RUSAGE_SELF).ru_minflt * proc.PAGE_SIZE

    def _read_rows(self) -> Reading:
        with OwnMemory() as memory:
            threads = [thread.ident for thread in threading.enumerate() if thread.ident is not None]
            pool_at = find_pool_lookup()
            anonymous = AnonymousMemory(memory.peek, memory.pages, threads, _stack_size(), pool_at)
            reading = rows_by_owner(self._pieces(), anonymous, self._known, self._own_files)
            self._arenas = anonymous.arenas
            # Without the headers in it, what is malloc's or a thread's is not known.
            return reading if memory.readable else reading._replace(untouched_bytes=0)

    def _count_pools(self) -> int:
        """Count the objects in Python's arenas, as its allocator does not while tracemalloc stands before it."""
        with OwnMemory() as memory:
            return sum(bytes_in_arena(arena, memory.peek) for arena in self._arenas)

    def _pieces(self) -> Iterator[bytes]:
        self._swapped = 0
        for piece in smaps.read():
            self._swapped += smaps.swapped(piece)
            yield piece


def _stack_size() -> int:
    import resource

    soft = resource.getrlimit(resource.RLIMIT_STACK)[0]
    return soft if 0 < soft < 1 << 40 else 8 << 20
