"""Folds the single calls of phases, for a chart with one band for each."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappush, heapreplace
from typing import ClassVar

from .. import results
from ..paths import PhasePath, write
from ..records import PhaseBegin, PhaseEnd, Record, SessionEnd

_MOST = 20_000


@dataclass(slots=True)
class _Call:
    """One call of a phase."""

    number: int
    path: PhasePath
    parent: int  # its span
    span: int
    thread: int
    begin_ns: int
    before: int
    end_ns: int = -1
    after: int = 0
    peak: int = 0
    error: str | None = None


class CallsFold:
    """Keeps the longest calls, and all that are open.

    Args:
        most: the number of calls to keep.
    """

    takes: ClassVar[tuple[type[Record], ...]] = (PhaseBegin, PhaseEnd, SessionEnd)

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._open: dict[int, _Call] = {}
        self._longest: list[tuple[int, int, _Call]] = []  # a heap by duration
        self._number = 0
        self._last_rss = 0

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record; see `process_fold.Fold`."""
        if isinstance(record, PhaseBegin):
            self._number += 1
            self._last_rss = record.rss_bytes
            self._open[record.span] = _Call(
                self._number, path, record.parent, record.span, record.thread_id, record.time_ns, record.rss_bytes
            )
        elif isinstance(record, PhaseEnd):
            self._last_rss = record.rss_bytes
            call = self._open.pop(record.span, None)
            if call is None:
                return
            call.end_ns, call.after, call.peak = record.time_ns, record.rss_bytes, record.peak_rss_bytes
            call.error = record.error
            entry = (call.end_ns - call.begin_ns, call.number, call)
            if len(self._longest) < self._most:
                heappush(self._longest, entry)
            elif entry > self._longest[0]:
                heapreplace(self._longest, entry)
        elif isinstance(record, SessionEnd):
            self._last_rss = record.rss_bytes

    def result(self, origin_ns: int) -> tuple[list[str], results.Calls]:
        """Return the paths and the calls.

        Args:
            origin_ns: the moment that counts as 0, by the monotonic clock.
        """
        calls = [call for _, _, call in self._longest] + list(self._open.values())
        calls.sort(key=lambda call: call.number)
        for call in self._open.values():
            call.after = self._last_rss
        rows = {call.span: row for row, call in enumerate(calls)}
        paths: dict[PhasePath, int] = {}
        threads: dict[int, int] = {}
        made = results.Calls(
            path=[paths.setdefault(call.path, len(paths)) for call in calls],
            parent=[rows.get(call.parent, -1) for call in calls],
            thread=[threads.setdefault(call.thread, len(threads)) for call in calls],
            begin_ns=[call.begin_ns - origin_ns for call in calls],
            end_ns=[-1 if call.end_ns < 0 else call.end_ns - origin_ns for call in calls],
            before_bytes=[call.before for call in calls],
            after_bytes=[call.after for call in calls],
            peak_bytes=[call.peak for call in calls],
            error={row: call.error for row, call in enumerate(calls) if call.error is not None},
            left_out=self._number - len(calls),
        )
        return [write(path) for path in paths], made
