"""Finds the types that grow from run to run of a phase, whose holders are worth looking for."""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from math import log2
from typing import NamedTuple, TypeAlias

from ...heap.census import Census
from ...paths import PhasePath
from ...records import ObjectRow
from ...tracing.phases import MOST_PATHS

_MOST_PAIRS = 8 * MOST_PATHS  # of a type and a path
# Growth in one run may be the result that the program computed; growth in several is a pattern.
_LEAST_RUNS = 3

# By type and path: growth in objects and bytes, the number of runs in which there was growth, and the number of live
# objects after the first of them.
Sums: TypeAlias = dict[tuple[str, PhasePath], tuple[int, int, int, int]]


class Grown(NamedTuple):
    """A type that grew, and the path of the phase in which it grew most."""

    kind: str
    path: PhasePath
    objects: int
    size_bytes: int
    runs: int  # with a census in which it grew

    @property
    def rank(self) -> tuple[bool, bool, int, str]:
        """The program's own types first, then those that grow by about one object a run, then the largest."""
        evenness = abs(log2(self.objects / self.runs))
        return self.kind.startswith("builtins."), evenness > 1, -self.size_bytes, self.kind


class GrownTypes:
    """Adds up the growth of each type over the runs of each path, except the first run, which fills caches.

    The sums are kept as one block of bytes. Thousands of tuples would show in the censuses that they come from.
    """

    def __init__(self) -> None:
        self._packed = marshal.dumps((set(), {}))

    def add(self, path: PhasePath, rows: Sequence[ObjectRow]) -> None:
        """Add the changes of one run."""
        paths, sums = self._unpacked()
        if path in paths:
            for row in rows:
                pair = (row.type, path)
                if pair in sums or len(sums) < _MOST_PAIRS:
                    count, size, runs, first = sums.get(pair, (0, 0, 0, row.count))
                    sums[pair] = count + row.delta_count, size + row.delta_bytes, runs + (row.delta_count > 0), first
        elif len(paths) < MOST_PATHS:
            paths.add(path)
        self._packed = marshal.dumps((paths, sums))

    def _unpacked(self) -> tuple[set[PhasePath], Sums]:
        paths, sums = marshal.loads(self._packed)
        return paths, sums

    def largest(self, number: int, live: Census | None = None) -> list[Grown]:
        """Return types that grew in at least three runs and on the whole, in the order of `Grown.rank`.

        Args:
            number: of types.
            live: a census of now; types that have not become more since the first of these runs are left out, since
                their objects are freed after the phase.
        """
        best: dict[str, Grown] = {}
        for (kind, path), (count, size, runs, first) in self._unpacked()[1].items():
            if count < runs or runs < _LEAST_RUNS:
                continue
            if live is not None and live.get(kind, (0, 0))[0] - first < runs - 1:
                continue
            known = best.get(kind)
            # If nested phases grew alike, the innermost is closest to the cause.
            if known is None or (count, len(path)) > (known.objects, len(known.path)):
                best[kind] = Grown(kind, path, count, size, runs)
        return sorted(best.values(), key=lambda grown: grown.rank)[:number]
