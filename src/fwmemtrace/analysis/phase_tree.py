"""The phases of one process as a tree, built from their paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import results
from ..paths import OUTSIDE, PhasePath, nearest


@dataclass(frozen=True, slots=True)
class PhaseTree:
    """The phases of one process.

    Attributes:
        rows: each phase's results by its path, without the row of what happened in no phase.
        children: the paths directly inside each path; those of the outermost phases are at `OUTSIDE`.
    """

    rows: dict[PhasePath, results.PhaseRow]
    children: dict[PhasePath, list[PhasePath]]

    def rss_change(self, path: PhasePath) -> int:
        """Returns a phase's change in RSS, in bytes; 0 if it has none."""
        resident = self.rows[path].resident
        return 0 if resident is None else resident.delta_bytes


def phase_tree(phases: Sequence[results.PhaseRow]) -> PhaseTree:
    """Builds the tree of one process's phases, which keep their order. A phase whose parent has no row moves up."""
    rows = {phase.names: phase for phase in phases if phase.path}
    children: dict[PhasePath, list[PhasePath]] = {}
    for path in rows:
        children.setdefault(nearest(path, rows), []).append(path)
    return PhaseTree(rows, children)


def own_changes(tree: PhaseTree) -> list[tuple[str, int]]:
    """Returns the part of the outermost phases' RSS change that each phase caused itself, as paths and bytes.

    The parts add up to the outermost phases' sum. If the phases inside one grew by more than it did, then some of that
    was given back before it ended, and none of them holds what it grew by: the phase stands for all of them.
    """
    parts: list[tuple[str, int]] = []
    waiting = list(tree.children.get(OUTSIDE, []))
    while waiting:
        path = waiting.pop()
        change = tree.rss_change(path)
        inside = tree.children.get(path, [])
        grown = [tree.rss_change(child) for child in inside]
        if sum(max(size, 0) for size in grown) > max(change, 0):
            parts.append((tree.rows[path].path, change))
        else:
            parts.append((tree.rows[path].path, change - sum(grown)))
            waiting.extend(inside)
    return parts
