"""Which types grew from run to run of the phases: those whose holders are worth looking for."""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from ...paths import PhasePath
from ...records import ObjectRow

# A program that puts an id into its phase names must not make these the leak.
_MOST_PATHS = 1024
_MOST_PAIRS = 8192
# Growth in one run may be what the program computed; growth in several is a habit.
_HABIT = 3

# Type and path: how many more, bytes more, runs in which there were more.
Sums: TypeAlias = dict[tuple[str, PhasePath], tuple[int, int, int]]


class Grown(NamedTuple):
    """A type, and the path of phases that it grew most in."""

    kind: str
    path: PhasePath
    objects: int
    size_bytes: int


class GrownTypes:
    """Adds up each type's growth over the runs of each path. The first run, which fills what is kept, is left out.

    The sums are kept as one block of bytes: as the thousands of tuples that they are they would show in the very
    censuses that they are made from.
    """

    def __init__(self) -> None:
        self._packed = marshal.dumps((set(), {}))

    def add(self, path: PhasePath, rows: Sequence[ObjectRow]) -> None:
        """The changes of one run."""
        paths, sums = self._unpacked()
        if path in paths:
            for row in rows:
                pair = (row.type, path)
                if pair in sums or len(sums) < _MOST_PAIRS:
                    count, size, runs = sums.get(pair, (0, 0, 0))
                    sums[pair] = count + row.delta_count, size + row.delta_bytes, runs + (row.delta_count > 0)
        elif len(paths) < _MOST_PATHS:
            paths.add(path)
        self._packed = marshal.dumps((paths, sums))

    def _unpacked(self) -> tuple[set[PhasePath], Sums]:
        paths, sums = marshal.loads(self._packed)
        return paths, sums

    def largest(self, number: int) -> list[Grown]:
        """The types that grew in at least three runs and on the whole, the program's own before Python's, by bytes."""
        best: dict[str, Grown] = {}
        for (kind, path), (count, size, runs) in self._unpacked()[1].items():
            if count < runs or runs < _HABIT:
                continue
            known = best.get(kind)
            # Of nested phases that grew alike the innermost is the nearest to the cause.
            if known is None or (count, len(path)) > (known.objects, len(known.path)):
                best[kind] = Grown(kind, path, count, size)
        return sorted(
            best.values(), key=lambda grown: (grown.kind.startswith("builtins."), -grown.size_bytes, grown.kind)
        )[:number]
