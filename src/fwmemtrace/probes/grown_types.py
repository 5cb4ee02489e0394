"""Which types grew from run to run of the phases: those whose holders are worth looking for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..records import ObjectRow

# A program that puts an id into its phase names must not make these the leak.
_MOST_PATHS = 1024
_MOST_PAIRS = 8192
# Growth in one run may be what the program computed; growth in several is a habit.
_HABIT = 3


class Grown(NamedTuple):
    """A type, and the path of phases that it grew most in."""

    kind: str
    path: str
    objects: int
    size_bytes: int


class GrownTypes:
    """Adds up each type's growth over the runs of each path. The first run, which fills what is kept, is left out."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._sums: dict[tuple[str, str], tuple[int, int, int]] = {}  # count, bytes, runs in which it grew

    def add(self, path: str, rows: Sequence[ObjectRow]) -> None:
        """The changes of one run."""
        if path not in self._paths:
            if len(self._paths) < _MOST_PATHS:
                self._paths.add(path)
            return
        for row in rows:
            pair = (row.type, path)
            known = self._sums.get(pair)
            if known is None:
                if len(self._sums) >= _MOST_PAIRS:
                    continue
                known = (0, 0, 0)
            grew = row.delta_count > 0
            self._sums[pair] = known[0] + row.delta_count, known[1] + row.delta_bytes, known[2] + grew

    def largest(self, number: int) -> list[Grown]:
        """The types that grew in at least three runs and on the whole, the program's own before Python's, by bytes."""
        best: dict[str, Grown] = {}
        for (kind, path), (count, size, runs) in self._sums.items():
            if count <= 0 or runs < _HABIT:
                continue
            known = best.get(kind)
            # Of nested phases that grew alike the innermost is the nearest to the cause.
            if known is None or (count, path.count("/")) > (known.objects, known.path.count("/")):
                best[kind] = Grown(kind, path, count, size)
        return sorted(
            best.values(), key=lambda grown: (grown.kind.startswith("builtins."), -grown.size_bytes, grown.kind)
        )[:number]
