"""Folds what happened at single moments: garbage collections, snapshots and notes."""

from __future__ import annotations

from typing import ClassVar

from .. import results
from ..paths import PhasePath, write
from ..records import Collections, FullCollection, Note, PhaseBegin, PhaseEnd, Record, Snapshot

_MOST = 500
_THREADS = 3  # of a snapshot, whose innermost frames are named


class MarksFold:
    """Keeps the first marks. A collection has no time of its own: it counts at the edge of a phase before it."""

    takes: ClassVar[tuple[type[Record], ...]] = (PhaseBegin, PhaseEnd, Collections, FullCollection, Snapshot, Note)

    def __init__(self) -> None:
        self._time = 0
        self._marks: list[tuple[int, str, str]] = []

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record; see `process_fold.Fold`."""
        if isinstance(record, (PhaseBegin, PhaseEnd)):
            self._time = record.time_ns
        elif len(self._marks) >= _MOST:
            return
        elif isinstance(record, Collections):
            if record.runs and record.runs[-1]:
                where = f" in {write(path)}" if path else ""
                self._marks.append((self._time, "collection", f"oldest generation collected{where}"))
        elif isinstance(record, FullCollection):
            returned = record.rss_before_bytes - record.rss_after_bytes
            text = f"full collection after {write(path)}: {record.collected} objects, {returned} bytes of RSS"
            self._marks.append((self._time, "full collection", text))
        elif isinstance(record, Snapshot):
            innermost = [thread.frames[0] for thread in record.threads if thread.frames]
            places = [f"{function} ({file.rpartition('/')[2]}:{line})" for function, file, line in innermost]
            self._marks.append((record.time_ns, "snapshot", ", ".join([record.reason, *places[:_THREADS]])))
        elif isinstance(record, Note):
            self._marks.append((record.time_ns, "note", f"{record.source}: {record.message}"))

    def result(self, origin_ns: int) -> list[results.Mark]:
        """Return the marks in their order.

        Args:
            origin_ns: the moment that counts as 0, by the monotonic clock.
        """
        return [results.Mark(at_ns=max(time - origin_ns, 0), kind=kind, text=text) for time, kind, text in self._marks]
