"""Folds the changes of RSS that were sampled with the stacks that were running."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, TypeAlias

from .. import results
from ..capture.own_frames import is_ours
from ..packages import package_of
from ..paths import OUTSIDE, PhasePath, write
from ..records import (
    ModuleImport,
    PagesCopied,
    PhaseBegin,
    PhaseEnd,
    Record,
    RssChange,
    SampledStack,
    SessionBegin,
    SessionEnd,
)
from .edge_rises import charge_edges
from .late_rises import charge_late
from .standing_rises import StandingRises

# Without the probe `imports`, what modules take shows as rises inside the import system.
_IMPORT_SYSTEM = "<frozen importlib"
_MOST_THREADS = 10_000  # that are counted
_MOST_ENDED = 1000  # phases that a rise may still belong to

_MOST_FRAMES = 128  # of a stack, the innermost ones: more than are recorded, in case the trace is not ours

_Key: TypeAlias = tuple[PhasePath, int]  # the path of a phase and the number of a stack


@dataclass(slots=True)
class _Rises:
    """What one stack made RSS rise by in one phase."""

    first_ns: int
    last_ns: int = 0
    bytes: int = 0
    looks: int = 0
    threads: set[int] = field(default_factory=set)


class _Phase(NamedTuple):
    span: int
    path: PhasePath
    thread_id: int
    began_ns: int


_NO_PHASE = _Phase(0, OUTSIDE, 0, -1)


class RisesFold:
    """Folds the records of one process.

    A rise belongs to the innermost phase that was open in its thread. A thread without a phase of its own counts with
    the phase that was opened last.

    Args:
        is_own: whether a file is the program's own code, neither installed nor of the standard library nor the tracer.
    """

    takes: ClassVar[tuple[type[Record], ...]] = (
        SessionBegin,
        PhaseBegin,
        PhaseEnd,
        ModuleImport,
        RssChange,
        PagesCopied,
        SampledStack,
        SessionEnd,
    )

    def __init__(self, is_own: Callable[[str], bool]) -> None:
        self._is_own = is_own
        self._stacks: dict[int, list[tuple[str, str, int]]] = {}
        self._open: dict[int, _Phase] = {}  # by span
        self._ended: deque[tuple[int, _Phase]] = deque(maxlen=_MOST_ENDED)  # by when they ended
        self._rises: dict[_Key, _Rises] = {}
        self._standing: StandingRises[_Key] = StandingRises()
        self._began_ns = 0
        self._first: int | None = None
        self._last = 0
        self._imported = self._fallen = 0
        self._copied: dict[int, int] = {}  # bytes of pages by stack
        self.any = False

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record; see `process_fold.Fold`."""
        if isinstance(record, RssChange):
            self._change(record)
        elif isinstance(record, SampledStack):
            self._stacks[record.stack] = record.frames[:_MOST_FRAMES]
        elif isinstance(record, PagesCopied):
            self.any = True
            self._copied[record.stack] = self._copied.get(record.stack, 0) + record.bytes
        elif isinstance(record, PhaseBegin):
            self._open[record.span] = _Phase(record.span, path, record.thread_id, record.time_ns)
        elif isinstance(record, PhaseEnd):
            ended = self._open.pop(record.span, None)
            if ended is not None:
                self._ended.append((record.time_ns, ended))
        elif isinstance(record, ModuleImport):
            self._import(record.own_bytes)
        elif isinstance(record, (SessionBegin, SessionEnd)):
            self._last = record.rss_bytes
            if self._first is None:
                self._first = record.rss_bytes
                self._began_ns = record.time_ns

    def _change(self, record: RssChange) -> None:
        self.any = True
        before, self._last = self._last, record.rss_bytes
        size = record.delta_bytes
        if size < 0:
            self._fallen += size
            self._standing.fall(-size, before)
            return
        call, path = self._phase_of(record.thread_id, record.time_ns)
        key = path, record.stack
        self._standing.rise(key, call, size)
        if record.stack:
            rises = self._rises.setdefault(key, _Rises(record.time_ns))
            rises.last_ns = record.time_ns
            rises.bytes += size
            rises.looks += 1
            if len(rises.threads) < _MOST_THREADS:
                rises.threads.add(record.thread_id)

    def _import(self, size: int) -> None:
        if size >= 0:
            self._imported += size
        else:  # what others had made was freed meanwhile, as by a garbage collection
            self._fallen += size
            self._standing.fall(-size, self._last)

    def _phase_of(self, thread_id: int, time_ns: int) -> tuple[int, PhasePath]:
        """Return the span and path of the phase that a thread was in at a moment.

        Rises that are sampled without the interpreter's lock are recorded some milliseconds later.
        """
        latest = own = _NO_PHASE  # inner ones come after outer ones, which may have begun in the same nanosecond
        candidates = [*self._open.values()]
        for ended_ns, phase in reversed(self._ended):
            if ended_ns < time_ns:
                break
            candidates.append(phase)
        for phase in candidates:
            if latest.began_ns <= phase.began_ns <= time_ns:
                latest = phase
            if own.began_ns <= phase.began_ns <= time_ns and phase.thread_id == thread_id:
                own = phase
        chosen = latest if own is _NO_PHASE else own
        return chosen.span, chosen.path

    def result(self, pid: int) -> results.Rises | None:
        """Return what is known so far; None if nothing was sampled."""
        if not self.any:
            return None
        at_peak, now = self._standing.at_peak(self._last), self._standing.now
        imported, rises = self._imported, []
        for key, sums in self._rises.items():
            frames = self._stacks.get(key[1])
            if frames is None:  # damage took it
                continue
            if any(file.startswith(_IMPORT_SYSTEM) for _, file, _ in frames):
                imported += sums.bytes
            else:
                rises.append(self._rise(key, sums, at_peak.get(key, 0), now[key]))
        rises = charge_late(charge_edges(rises, is_ours))
        delta = self._last - (self._first or 0)
        risen = sum(rise.bytes for rise in rises)
        return results.Rises(
            pid=pid,
            rss_delta_bytes=delta,
            imported_bytes=imported,
            risen_bytes=risen,
            fallen_bytes=self._fallen,
            unattributed_bytes=delta - imported - risen - self._fallen,
            stacks=sorted(rises, key=lambda rise: -rise.bytes),
            largest_fall_bytes=self._standing.largest_fall_bytes,
            largest_fall_calls=self._standing.largest_fall_calls,
            copied_bytes=sum(self._copied.values()),
            copied_at=self._copied_at(),
        )

    def _copied_at(self) -> results.Frame | None:
        """Return the line of the program's own code at which most pages were copied."""
        lines: dict[tuple[str, str, int], int] = {}
        for stack, size in self._copied.items():
            own = next((frame for frame in self._stacks.get(stack, []) if self._is_own(frame[1])), None)
            if own is not None:
                lines[own] = lines.get(own, 0) + size
        if not lines:
            return None
        function, file, line = max(lines, key=lambda frame: lines[frame])
        return results.Frame(function=function, file=file, line=line)

    def _rise(self, key: _Key, rises: _Rises, at_peak: int, kept: int) -> results.Rise:
        path, stack = key
        frames = [
            results.Frame(function=function, file=file, line=line) for function, file, line in self._stacks[stack]
        ]
        own = next((number for number, frame in enumerate(frames) if self._is_own(frame.file)), len(frames))
        return results.Rise(
            path=write(path),
            bytes=rises.bytes,
            looks=rises.looks,
            line=frames[own] if own < len(frames) else None,
            package=next((package for frame in frames[:own] if (package := package_of(frame.file))), ""),
            stack=frames,
            at_peak_bytes=at_peak,
            kept_bytes=kept,
            threads=len(rises.threads),
            first_ns=rises.first_ns - self._began_ns,
            last_ns=rises.last_ns - self._began_ns,
        )
