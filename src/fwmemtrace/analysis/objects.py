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
_EDGE_OBJECTS = 2  # of a builtin type by which the two edges of a phase differ: the tracer's own calls that count
_EDGE_BYTES = 512  # such an object is smaller
_ONCE_BYTES, _ONCE_CALLS = 1024, 10  # so little over so many calls happened once, such as a thread's first context


class _Totals:
    """What the phases of one path add up to."""

    def __init__(self) -> None:
        self.calls = 0
        self.delta_count = 0
        self.delta_bytes = 0
        self.types: dict[str, results.TypeGrowth] = {}
        self._first: dict[str, int] = {}  # live objects after the first call that lists the type

    def changed(self) -> list[results.TypeGrowth]:
        """Return the types that changed, without those that only the tracer's calls at the edges account for."""
        return [row for row in self.types.values() if (row.delta_count or row.delta_bytes) and not self._is_edge(row)]

    def _is_edge(self, row: results.TypeGrowth) -> bool:
        """Return whether the tracer accounts for a row.

        Either every call seems to change the number of a type by one or two, and yet it stays the same; or an object or
        two came once.
        """
        count = abs(row.delta_count)
        if count <= _EDGE_OBJECTS and abs(row.delta_bytes) < _ONCE_BYTES and self.calls >= _ONCE_CALLS:
            return True
        if not row.type.startswith("builtins.") or self.calls < 2 or count > _EDGE_OBJECTS * self.calls:
            return False
        if abs(row.delta_bytes) > _EDGE_BYTES * max(count, 1):
            return False
        return abs(row.count - self._first[row.type]) < count / 2

    def add(self, record: ObjectCensus) -> None:
        self.calls += 1
        self.delta_count += record.delta_count
        self.delta_bytes += record.delta_bytes
        for row in record.top:
            known = self.types.get(row.type)
            if known is None:
                known = self.types[row.type] = results.TypeGrowth(type=row.type, delta_count=0, delta_bytes=0)
                self._first[row.type] = row.count
            known.delta_count += row.delta_count
            known.delta_bytes += row.delta_bytes
            known.count = row.count
            known.size_bytes = row.size_bytes


class ObjectsFold:
    """Adds up the censuses of each path.

    Changes add up over the calls that had a census; `calls` is their number. A type's row adds up the calls that list
    it, which are those in which it was among the types that changed most. A builtin type of which each call seems to
    leave one or two objects, though there are no more of them in the end, is left out: these are the tracer's own.
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
                top=_largest(totals.changed(), top),
                calls=totals.calls,
            )
            for path, totals in self._paths.items()
        }


def _largest(types: Iterable[results.TypeGrowth], top: int) -> list[results.TypeGrowth]:
    """Return copies of the rows, those that grew most first."""
    largest = nlargest(top, types, key=lambda row: (row.delta_bytes > 0, abs(row.delta_bytes), row.delta_count))
    return [msgspec.structs.replace(row) for row in largest]
