"""Folds the records of the garbage collector by phase path."""

from __future__ import annotations

from collections import defaultdict
from typing import ClassVar

import msgspec

from .. import results
from ..paths import PhasePath
from ..records import Collections, FullCollection, Record


class CollectorFold:
    """Adds up what the collector did in the phases of each path."""

    takes: ClassVar[tuple[type[Record], ...]] = (Collections, FullCollection)

    def __init__(self) -> None:
        self._paths: defaultdict[PhasePath, results.Collector] = defaultdict(
            lambda: results.Collector(runs=[0, 0, 0], wall_ns=0, collected=0, uncollectable=0)
        )

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record; kinds that are not in `takes` are ignored."""
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
        """Return a row for each path in whose phases the collector ran."""
        return {path: msgspec.structs.replace(row, runs=list(row.runs)) for path, row in self._paths.items()}
