"""Whose pages are resident, at the edges of phases: smaps grouped by owner, and what the allocators say of theirs."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from itertools import count
from time import perf_counter_ns
from typing import ClassVar, TypeAlias

from ..errors import ProbeUnavailable
from ..phases import Span
from ..records import MappingRow, MappingsEdge, MappingsReading
from . import smaps
from .allocators import Allocators
from .anonymous import PAGE, Pages, Walker, category_of_special, split
from .base import BaseProbe, ProbeContext
from .owners import owner_of
from .smaps import Mapping

PROC = "/proc/self"

# A reading takes milliseconds in a big process: at most this share of the time goes to them, once every path of phases
# has been seen. Inner phases leave half of it to the outermost ones.
_SHARE = 0.01
_FIRST_RUNS = 1  # of each path: read whatever it costs
_PATHS = 64  # names may be made up as the program goes: more paths than these have to wait for their share
# A phase that begins just where another one was read takes that reading, if RSS is the same but for this much.
_SAME_BYTES = 64 * 1024
_SAME_BEGIN_NS = 50_000_000
_SAME_END_NS = 1_000_000

Owner: TypeAlias = tuple[str, str]  # category and name

_PRESENT, _EXCLUSIVE = 0x80, 0x01  # bits 63 and 56 of an entry of /proc/self/pagemap, in its last byte
_IS_PRESENT = bytes(int(bool(byte & _PRESENT)) for byte in range(256))
_IS_EXCLUSIVE = bytes(int(bool(byte & _PRESENT and byte & _EXCLUSIVE)) for byte in range(256))


class MappingsProbe(BaseProbe):
    """Reads smaps at the edges of phases: both edges of a run or none."""

    name: ClassVar[str] = "mappings"
    frugal: ClassVar[bool] = False

    def __init__(self) -> None:
        self._ids = count(1)
        self._lock = threading.RLock()  # phases of several threads; a finaliser may run one inside a reading
        self._reading = False
        self._runs: dict[str, int] = {}
        self._spent_ns = 0
        self._last: MappingsReading | None = None
        self._last_edge = ""
        self._known: dict[str, Owner] = {}

    def start(self, context: ProbeContext) -> None:
        try:
            with open(f"{PROC}/smaps", "rb") as file:
                file.read(1)
        except OSError as error:
            raise ProbeUnavailable(
                f"found that {PROC}/smaps cannot be read ({error}), expected Linux with /proc mounted: without it RSS "
                "cannot be divided among its owners"
            ) from error
        self._use(context)
        self._allocators = Allocators()
        self._began_ns = perf_counter_ns()
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
        self._last = None
        self._ids = count(1)
        self._take(0, "begin")

    def phase_began(self, span: Span) -> None:
        if self._wanted(span):
            span.state = {**(span.state or {}), self.name: True}
            self._take(span.id, "begin")

    def phase_ended(self, span: Span) -> None:
        if span.state is not None and self.name in span.state:
            self._take(span.id, "end")

    def stop(self) -> None:
        self._take(0, "end")

    def _wanted(self, span: Span) -> bool:
        path = span.path
        runs = self._runs.get(path, 0)
        if runs < _FIRST_RUNS and (runs or len(self._runs) < _PATHS):
            self._runs[path] = runs + 1
            return True
        share = _SHARE if span.parent is None else _SHARE / 2
        return self._spent_ns <= (perf_counter_ns() - self._began_ns) * share

    def _take(self, span: int, edge: str) -> None:
        with self._lock:
            if self._reading:  # a phase of a finaliser that runs inside a reading
                return
            self._reading = True
            try:
                if self._last is None or not self._still_holds(self._last, edge):
                    self._last = self._read()
                    self._context.emit(self._last)
                self._last_edge = edge
                self._context.emit(MappingsEdge(span, edge, self._last.reading))
            finally:
                self._reading = False

    def _still_holds(self, last: MappingsReading, edge: str) -> bool:
        if edge == "end" and self._last_edge != "end":  # the phase itself lies between: what it did may cancel out
            return False
        age = perf_counter_ns() - last.time_ns
        if age > (_SAME_BEGIN_NS if edge == "begin" else _SAME_END_NS):
            return False
        return abs(self._context.meter.rss() - last.rss_bytes) <= _SAME_BYTES

    def _read(self) -> MappingsReading:
        began = perf_counter_ns()
        allocators = self._allocators.read()
        with _OwnMemory() as memory:
            threads = [thread.ident for thread in threading.enumerate() if thread.ident is not None]
            walker = Walker(memory.peek, memory.pages, threads, _stack_size())
            rows = group(smaps.parse(smaps.read(f"{PROC}/smaps")), walker, self._known, self._own_files)
        rss = self._context.meter.rss()
        ended = perf_counter_ns()
        self._spent_ns += ended - began
        return MappingsReading(next(self._ids), ended, ended - began, rss, rows, allocators)


def group(
    mappings: Iterable[Mapping], walker: Walker, known: dict[str, Owner], own_files: frozenset[str] = frozenset()
) -> list[MappingRow]:
    """Add the mappings up by owner.

    Args:
        mappings: in the order of their addresses.
        walker: cuts the anonymous ones into pieces.
        known: owners of the paths that were seen before; new ones are added.
        own_files: paths of files that the tracer itself writes or maps.

    Returns:
        A row an owner, the biggest first; their `rss_bytes` add up to those of the mappings exactly.
    """
    sums: dict[Owner, list[int]] = {}
    below: Mapping | None = None
    for mapping in mappings:
        path, rss = mapping.path, mapping.rss
        if not rss:
            pass
        elif path:
            owner = known.get(path)
            if owner is None:
                owner = known[path] = category_of_special(path) or owner_of(path, own_files)
            _add(sums, owner, rss, mapping.pss, mapping.private, mapping.evictable, mapping.anonymous)
        else:
            parts = walker.shares(mapping, below)
            shares = [share for _, share in parts]
            columns = [split(figure, shares) for figure in mapping[6:]]
            for (piece, share), *figures in zip(parts, *columns, strict=True):
                _add(sums, (piece.category, piece.owner), share, *figures)
        below = mapping
    ordered = sorted(sums.items(), key=lambda item: -item[1][0])
    return [MappingRow(category, owner, *figures) for (category, owner), figures in ordered]


def _add(sums: dict[Owner, list[int]], owner: Owner, *figures: int) -> None:
    row = sums.get(owner)
    if row is None:
        sums[owner] = list(figures)
        return
    for place, figure in enumerate(figures):
        row[place] += figure


class _OwnMemory:
    """Reads this process's own memory and which pages of it are resident, through /proc: a bad address is no crash."""

    def __enter__(self) -> _OwnMemory:
        self._memory = _open(f"{PROC}/mem")
        self._pagemap = _open(f"{PROC}/pagemap")
        self._latest: tuple[int, int, Pages] | None = None
        return self

    def __exit__(self, *exception: object) -> None:
        for fd in (self._memory, self._pagemap):
            if fd >= 0:
                os.close(fd)

    def peek(self, address: int, length: int) -> bytes:
        try:
            return os.pread(self._memory, length, address)
        except (OSError, OverflowError):
            return b""

    def pages(self, start: int, end: int) -> Pages:
        if self._latest is not None and self._latest[:2] == (start, end):
            return self._latest[2]
        try:
            entries = os.pread(self._pagemap, (end - start) // PAGE * 8, start // PAGE * 8)
        except (OSError, OverflowError):
            entries = b""
        flags = entries[7::8]
        pages = Pages(flags.translate(_IS_PRESENT), flags.translate(_IS_EXCLUSIVE))
        self._latest = start, end, pages
        return pages


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _stack_size() -> int:
    import resource

    soft = resource.getrlimit(resource.RLIMIT_STACK)[0]
    return soft if 0 < soft < 1 << 40 else 8 << 20
