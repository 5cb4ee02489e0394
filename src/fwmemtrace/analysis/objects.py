"""Folds the object censuses of one process by phase path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from heapq import nlargest
from typing import ClassVar

import msgspec

from .. import results
from ..paths import PhasePath
from ..records import ObjectCensus, Record

_DEFAULT_TOP = 20


class _Totals:
    """What the phases of one path add up to."""

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
    """Adds up the censuses of each path.

    Changes add up over the calls that had a census; `calls` is their number. A type's row adds up the calls that list
    it, which are those in which it was among the types that changed most.
    """

    takes: ClassVar[tuple[type[Record], ...]] = (ObjectCensus,)

    def __init__(self) -> None:
        self._paths: defaultdict[PhasePath, _Totals] = defaultdict(_Totals)

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record; kinds that are not in `takes` are ignored."""
        if isinstance(record, ObjectCensus):
            self._paths[path].add(record)

    def result(self, top: int = _DEFAULT_TOP) -> dict[PhasePath, results.Objects]:
        """Return a row for each path.

        Args:
            top: the largest number of types in a row.
        """
        return {
            path: results.Objects(
                delta_count=totals.delta_count,
                delta_bytes=totals.delta_bytes,
                top=_largest(totals.types.values(), top),
                calls=totals.calls,
            )
            for path, totals in self._paths.items()
        }


def _largest(types: Iterable[results.TypeGrowth], top: int) -> list[results.TypeGrowth]:
    """Return copies of the rows that changed, those that grew most first."""
    changed = (row for row in types if row.delta_count or row.delta_bytes)
    largest = nlargest(top, changed, key=lambda row: (row.delta_bytes > 0, abs(row.delta_bytes), row.delta_count))
    return [msgspec.structs.replace(row) for row in largest]
