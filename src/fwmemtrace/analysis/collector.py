"""Folds the garbage collector's records of one process by phase path."""

from __future__ import annotations

from collections import defaultdict
from typing import ClassVar

from .. import results
from ..paths import PhasePath
from ..records import Collections, FullCollection, Record


class CollectorFold:
    """Takes the records of one process, each with the path of the phase that its span names; everything adds up."""

    takes: ClassVar[tuple[type[Record], ...]] = (
        Collections,
        FullCollection,
    )

    def __init__(self) -> None:
        self._paths: defaultdict[PhasePath, results.Collector] = defaultdict(
            lambda: results.Collector(runs=[0, 0, 0], wall_ns=0, collected=0, uncollectable=0)
        )

    def add(self, record: Record, path: PhasePath) -> None:
        """Take a record; those of other kinds are passed over."""
        if isinstance(record, Collections):
            row = self._paths[path]
            row.runs = [known + new for known, new in zip(row.runs, record.runs, strict=False)]
            row.wall_ns += record.wall_ns
            row.collected += record.collected
            row.uncollectable += record.uncollectable
        elif isinstance(record, FullCollection):
            row = self._paths[path]
            row.full_collections += 1
            row.returned_bytes += record.rss_before_bytes - record.rss_after_bytes
            row.returned_objects += record.collected
            row.uncollectable += record.uncollectable
            if record.heap_bytes is not None:
                row.returned_heap_bytes = (row.returned_heap_bytes or 0) + record.heap_bytes

    def result(self) -> dict[PhasePath, results.Collector]:
        """What the report says of each path in which the collector ran; a path without a row had none."""
        return dict(self._paths)
