"""Finds the types that grow from run to run of a phase, whose holders are worth looking for."""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from ...paths import PhasePath
from ...records import ObjectRow
from ...tracing.phases import MOST_PATHS

_MOST_PAIRS = 8 * MOST_PATHS  # of a type and a path
# Growth in one run may be the result that the program computed; growth in several is a pattern.
_LEAST_RUNS = 3

# By type and path: growth in objects and bytes, and the number of runs in which there was growth.
Sums: TypeAlias = dict[tuple[str, PhasePath], tuple[int, int, int]]


class Grown(NamedTuple):
    """A type that grew, and the path of the phase in which it grew most."""

    kind: str
    path: PhasePath
    objects: int
    size_bytes: int


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
                    count, size, runs = sums.get(pair, (0, 0, 0))
                    sums[pair] = count + row.delta_count, size + row.delta_bytes, runs + (row.delta_count > 0)
        elif len(paths) < MOST_PATHS:
            paths.add(path)
        self._packed = marshal.dumps((paths, sums))

    def _unpacked(self) -> tuple[set[PhasePath], Sums]:
        paths, sums = marshal.loads(self._packed)
        return paths, sums

    def largest(self, number: int) -> list[Grown]:
        """Return types that grew in at least three runs and on the whole, the program's own first, largest first."""
        best: dict[str, Grown] = {}
        for (kind, path), (count, size, runs) in self._unpacked()[1].items():
            if count < runs or runs < _LEAST_RUNS:
                continue
            known = best.get(kind)
            # If nested phases grew alike, the innermost is closest to the cause.
            if known is None or (count, len(path)) > (known.objects, len(known.path)):
                best[kind] = Grown(kind, path, count, size)
        return sorted(
            best.values(), key=lambda grown: (grown.kind.startswith("builtins."), -grown.size_bytes, grown.kind)
        )[:number]
