"""Folds the censuses of one process by phase path."""

from __future__ import annotations

from collections import defaultdict
from heapq import nlargest
from typing import ClassVar

from .. import results
from ..paths import PhasePath
from ..records import ObjectCensus, Record

_ROWS = 20


class _Path:
    """What is known of the phases of one path."""

    def __init__(self) -> None:
        self.calls = 0
        self.delta_count = 0
        self.delta_bytes = 0
        self.types: dict[str, results.TypeGrowth] = {}

    def add(self, record: ObjectCensus) -> None:
        self.calls += 1
        self.delta_count += record.delta_count
        self.delta_bytes += record.delta_bytes
        for row in record.top:
            known = self.types.get(row.type)
            if known is None:
                known = self.types[row.type] = results.TypeGrowth(type=row.type, delta_count=0, delta_bytes=0)
            known.delta_count += row.delta_count
            known.delta_bytes += row.delta_bytes
            known.count = row.count
            known.size_bytes = row.size_bytes


class ObjectsFold:
    """Takes the records of one process, each with the path of the phase that its span names.

    Deltas add up over the runs of a path that had a census; `calls` says how many those were. A type's row adds up the
    runs that list it, which are those in which it was among the types that changed most.
    """

    takes: ClassVar[tuple[type[Record], ...]] = (ObjectCensus,)

    def __init__(self) -> None:
        self._paths: defaultdict[PhasePath, _Path] = defaultdict(_Path)

    def add(self, record: Record, path: PhasePath) -> None:
        """Take a record; those of other kinds are passed over."""
        if isinstance(record, ObjectCensus):
            self._paths[path].add(record)

    def result(self, top: int = _ROWS) -> dict[PhasePath, results.Objects]:
        """What the report says of each path.

        Args:
            top: rows at most.
        """
        return {
            path: results.Objects(
                delta_count=found.delta_count,
                delta_bytes=found.delta_bytes,
                top=nlargest(
                    top,
                    (row for row in found.types.values() if row.delta_count or row.delta_bytes),
                    key=lambda row: (row.delta_bytes > 0, abs(row.delta_bytes), row.delta_count),
                ),
                calls=found.calls,
            )
            for path, found in self._paths.items()
        }
