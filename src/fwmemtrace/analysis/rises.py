"""Folds the changes of RSS that were sampled with the stacks that were running."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import ClassVar

from .. import results
from ..packages import package_of
from ..paths import OUTSIDE, PhasePath, write
from ..records import ModuleImport, PhaseBegin, PhaseEnd, Record, RssChange, SampledStack, SessionBegin, SessionEnd


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
        SampledStack,
        SessionEnd,
    )

    def __init__(self, is_own: Callable[[str], bool]) -> None:
        self._is_own = is_own
        self._stacks: dict[int, list[tuple[str, str, int]]] = {}
        self._open: dict[int, tuple[int, PhasePath]] = {}  # thread and path of each open span, in the order they began
        self._rises: defaultdict[tuple[PhasePath, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
        self._first: int | None = None
        self._last = 0
        self._imported = self._fallen = 0
        self.any = False

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record; see `process_fold.Fold`."""
        if isinstance(record, RssChange):
            self._change(record)
        elif isinstance(record, SampledStack):
            self._stacks[record.stack] = record.frames
        elif isinstance(record, PhaseBegin):
            self._open[record.span] = record.thread_id, path
        elif isinstance(record, PhaseEnd):
            self._open.pop(record.span, None)
        elif isinstance(record, ModuleImport):
            self._imported += record.own_bytes
        elif isinstance(record, (SessionBegin, SessionEnd)):
            self._last = record.rss_bytes
            if self._first is None:
                self._first = record.rss_bytes

    def _change(self, record: RssChange) -> None:
        self.any = True
        self._last = record.rss_bytes
        if record.delta_bytes < 0:
            self._fallen += record.delta_bytes
        elif record.stack:
            key = self._phase_of(record.thread_id), record.stack
            size, looks = self._rises[key]
            self._rises[key] = size + record.delta_bytes, looks + 1

    def _phase_of(self, thread_id: int) -> PhasePath:
        latest = OUTSIDE
        for thread, path in reversed(self._open.values()):
            if thread == thread_id:
                return path
            latest = latest or path
        return latest

    def result(self, pid: int) -> results.Rises | None:
        """Return what is known so far; None if nothing was sampled."""
        if not self.any:
            return None
        rises = [
            self._rise(path, self._stacks[stack], size, looks)
            for (path, stack), (size, looks) in self._rises.items()
            if stack in self._stacks  # else damage took it
        ]
        delta = self._last - (self._first or 0)
        risen = sum(rise.bytes for rise in rises)
        return results.Rises(
            pid=pid,
            rss_delta_bytes=delta,
            imported_bytes=self._imported,
            risen_bytes=risen,
            fallen_bytes=self._fallen,
            unattributed_bytes=delta - self._imported - risen - self._fallen,
            stacks=sorted(rises, key=lambda rise: -rise.bytes),
        )

    def _rise(self, path: PhasePath, stack: list[tuple[str, str, int]], size: int, looks: int) -> results.Rise:
        frames = [results.Frame(function=function, file=file, line=line) for function, file, line in stack]
        return results.Rise(
            path=write(path),
            bytes=size,
            looks=looks,
            line=next((frame for frame in frames if self._is_own(frame.file)), None),
            package=next((package for frame in frames if (package := package_of(frame.file))), ""),
            stack=frames,
        )
