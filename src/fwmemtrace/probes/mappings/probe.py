"""Whose pages are resident, at the edges of phases: smaps grouped by owner, and what the allocators say of theirs."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter_ns
from typing import ClassVar, TypeAlias

from ...errors import ProbeUnavailable
from ...paths import PhasePath
from ...records import MappingRow, MappingsEdge, MappingsReading, Note
from ...system import smaps
from ...system.allocators import Allocators
from ...system.meter import Usage
from ...tracing.span import Span
from ..base import BaseProbe, ProbeContext
from .anonymous import PAGE, Pages, Walker, category_of_special, split
from .owners import owner_of

PROC = "/proc/self"

# Reading smaps takes milliseconds in a big process: at most this share of the time goes to it, once the first runs of
# every path of phases have been read. Inner phases leave half of it to the outermost ones.
_SHARE = 0.01
_ADVANCE_NS = 5_000_000  # what may be spent when the session has just begun: the process is small then
_FIRST_RUNS = 2
_FIRST_SHARE = 0.05  # and no more than this, beyond the first second, where mappings are so many that they take longer
_FIRST_ADVANCE_NS = 1_000_000_000
_PATHS = 64  # names may be made up as the program goes: more paths than these have to wait for their share
# Where RSS is the same but for this much, the mappings of the reading before still hold, and only the allocators are
# asked again, which takes a tenth of a millisecond. While the share of time is used up, a little more has to do.
_SAME_BYTES = 64 * 1024
_SAME_PART = 512
_WORTH_A_LOOK = 1024 * 1024

Owner: TypeAlias = tuple[str, str]  # category and name

_PRESENT, _EXCLUSIVE = 0x80, 0x01  # bits 63 and 56 of an entry of /proc/self/pagemap, in its last byte
_IS_PRESENT = bytes(int(bool(byte & _PRESENT)) for byte in range(256))
_IS_EXCLUSIVE = bytes(int(bool(byte & _PRESENT and byte & _EXCLUSIVE)) for byte in range(256))


@dataclass(slots=True)
class _Run:
    """What is kept of a phase's begin until its end."""

    first: bool = False  # read whatever it costs
    reading: int = 0  # an earlier one that stands for the begin, not told yet
    rss: int = 0


class MappingsProbe(BaseProbe):
    """Reads smaps at the edges of phases: both edges of a run or none."""

    name: ClassVar[str] = "mappings"
    frugal: ClassVar[bool] = False

    def __init__(self) -> None:
        self._number = 0  # of the latest reading
        self._rows_of = 0  # the latest that looked at the mappings
        self._rows_rss = 0
        self._lock = threading.RLock()  # phases of several threads; a finaliser may run one inside a reading
        self._reading = False
        self._runs: dict[PhasePath, int] = {}
        self._waiting: dict[int, _Run] = {}  # open runs whose begin was not told, by their spans
        self._spent_ns = 0
        self._swapped = 0  # by the latest reading that looked at the mappings
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
        with _OwnMemory() as memory:
            if not memory.readable:
                message = (
                    f"{PROC}/mem or {PROC}/pagemap cannot be read here: anonymous memory to which the kernel itself "
                    "gives no name counts as unexplained"
                )
                context.emit(Note(self._began_ns, self.name, message))
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
        self._waiting.clear()
        self._take(0, "begin")

    def phase_began(self, span: Span) -> None:
        run: _Run | None = None
        if self._is_first(span):
            run = _Run(first=True)
        else:
            rss = self._context.meter.rss()
            if self._rows_of and abs(rss - self._rows_rss) <= _SAME_BYTES:
                # The latest reading will do, if it turns out until the phase's end that there is something to tell.
                run = self._waiting[span.id] = _Run(reading=self._number, rss=rss)
            elif self._can_afford(span):
                run = _Run()
        if run is not None:
            span.state = {**(span.state or {}), self.name: run}
            if not run.reading:
                self._take(span.id, "begin")

    def phase_ended(self, span: Span) -> None:
        run: _Run | None = None if span.state is None else span.state.get(self.name)
        if run is None:
            return
        moved = abs(self._context.meter.rss() - run.rss)
        if run.first or (self._can_afford(span) and not (run.reading and moved <= _SAME_BYTES)):
            self._take(span.id, "end")
        self._waiting.pop(span.id, None)

    def stop(self) -> None:
        self._take(0, "end")

    def _is_first(self, span: Span) -> bool:
        if not self._in_budget(_FIRST_SHARE, _FIRST_ADVANCE_NS):
            return False
        path = span.path
        runs = self._runs.get(path, 0)
        if runs >= _FIRST_RUNS or (not runs and len(self._runs) >= _PATHS):
            return False
        self._runs[path] = runs + 1
        return True

    def _can_afford(self, span: Span) -> bool:
        return self._in_budget(_SHARE if span.parent is None else _SHARE / 2)

    def _in_budget(self, share: float, advance_ns: int = _ADVANCE_NS) -> bool:
        return self._spent_ns <= advance_ns + (perf_counter_ns() - self._began_ns) * share

    def _take(self, span: int, edge: str) -> None:
        with self._lock:
            if self._reading:  # a phase of a finaliser that runs inside a reading
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
        if not self._still_hold(rss):
            rows = self._read_rows()
            meter = self._context.meter
            rss = self._rows_rss = meter.rss()
            uss, pss = sum(row.private_bytes for row in rows), sum(row.pss_bytes for row in rows)
            meter.learn(Usage(rss, meter.vms(), uss, pss, self._swapped))
            self._rows_of = self._number + 1
        self._number += 1
        ended = perf_counter_ns()
        self._spent_ns += ended - began
        return MappingsReading(self._number, ended, ended - began, rss, rows, allocators, self._rows_of)

    def _still_hold(self, rss: int) -> bool:
        if not self._rows_of:
            return False
        moved = abs(rss - self._rows_rss)
        return moved <= (_SAME_BYTES if self._in_budget(_SHARE) else max(_WORTH_A_LOOK, rss // _SAME_PART))

    def _read_rows(self) -> list[MappingRow]:
        with _OwnMemory() as memory:
            threads = [thread.ident for thread in threading.enumerate() if thread.ident is not None]
            walker = Walker(memory.peek, memory.pages, threads, _stack_size())
            return group(self._pieces(), walker, self._known, self._own_files)

    def _pieces(self) -> Iterator[bytes]:
        self._swapped = 0
        for piece in smaps.read(f"{PROC}/smaps"):
            self._swapped += smaps.swapped(piece)
            yield piece


def group(
    pieces: Iterable[bytes], walker: Walker, known: dict[str, Owner], own_files: frozenset[str] = frozenset()
) -> list[MappingRow]:
    """Add the mappings up by owner.

    Args:
        pieces: of smaps.
        walker: cuts the anonymous mappings into pieces.
        known: owners of the paths that were seen before; new ones are added.
        own_files: paths of files that the tracer itself writes or maps.

    Returns:
        A row an owner, the biggest first; their `rss_bytes` add up to the Rss of all mappings exactly.

    Raises:
        ValueError: if smaps has not the known form.
    """
    sums: dict[Owner, list[int]] = {}
    files: dict[str, smaps.FileTotal] = {}
    for mapping, below in smaps.parse(pieces, files):
        special = category_of_special(mapping.path)
        if special is not None:
            _add(sums, special, mapping.rss, mapping.pss, mapping.private, 0, mapping.anonymous)
            continue
        parts = walker.shares(mapping, below)
        shares = [share for _, share in parts]
        columns = [split(figure, shares) for figure in (mapping.pss, mapping.private, mapping.anonymous)]
        for (piece, share), pss, private, anonymous in zip(parts, *columns, strict=True):
            _add(sums, (piece.category, piece.owner), share, pss, private, 0, anonymous)
    for path, total in files.items():
        owner = known.get(path)
        if owner is None:
            owner = known[path] = owner_of(path, own_files)
        _add(sums, owner, total.rss, total.pss, total.private, total.evictable, total.anonymous)
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
        return self

    def __exit__(self, *exception: object) -> None:
        for fd in (self._memory, self._pagemap):
            if fd >= 0:
                os.close(fd)

    @property
    def readable(self) -> bool:
        """Whether both can be read."""
        return self._memory >= 0 and self._pagemap >= 0

    def peek(self, address: int, length: int) -> bytes:
        try:
            return os.pread(self._memory, length, address)
        except (OSError, OverflowError):
            return b""

    def pages(self, start: int, end: int) -> Pages:
        try:
            entries = os.pread(self._pagemap, (end - start) // PAGE * 8, start // PAGE * 8)
        except (OSError, OverflowError):
            entries = b""
        flags = entries[7::8]
        return Pages(flags.translate(_IS_PRESENT), flags.translate(_IS_EXCLUSIVE))


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _stack_size() -> int:
    import resource

    soft = resource.getrlimit(resource.RLIMIT_STACK)[0]
    return soft if 0 < soft < 1 << 40 else 8 << 20
