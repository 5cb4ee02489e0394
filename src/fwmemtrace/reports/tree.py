"""The phases of a process as lines of a tree, for every report that shows one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import results
from ..paths import OUTSIDE, PhasePath, nearest, write


@dataclass(frozen=True, slots=True)
class TreeLine:
    """One phase in the tree.

    Attributes:
        phase: its results.
        name: its own name, behind those of phases around it that have no row.
        guide: what is drawn before the name.
        own_bytes: its RSS change less that of the phases inside it.
    """

    phase: results.PhaseRow
    name: str
    guide: str
    own_bytes: int


def lines(phases: Sequence[results.PhaseRow]) -> list[TreeLine]:
    """Draw the phases of one process, given in tree order; the row for "no phase" is left out."""
    inner, children = _tree(phases)
    drawn: list[TreeLine] = []
    # A stack of its own: a trace may nest phases deeper than Python lets functions call each other.
    waiting = [(path, OUTSIDE, "", "") for path in reversed(children.get(OUTSIDE, []))]
    while waiting:
        path, around, guide, below = waiting.pop()
        mine = children.get(path, [])
        own = _delta(inner[path]) - sum(_delta(inner[child]) for child in mine)
        name = path[-1] if len(path) == len(around) + 1 else write(path[len(around) :])
        drawn.append(TreeLine(inner[path], name, guide, own))
        waiting += [
            (child, path, below + ("└ " if child == mine[-1] else "├ "), below + ("  " if child == mine[-1] else "│ "))
            for child in reversed(mine)
        ]
    return drawn


def contributions(phases: Sequence[results.PhaseRow]) -> list[tuple[str, int]]:
    """What each phase added to RSS by itself, as paths and bytes; the parts add up to the outermost phases' sum.

    A phase stands for those inside it where they grew by more than it did: part of that was given back within it, so
    none of them holds what it grew by.
    """
    inner, children = _tree(phases)
    found: list[tuple[str, int]] = []
    waiting = list(children.get(OUTSIDE, []))
    while waiting:
        path = waiting.pop()
        delta = _delta(inner[path])
        mine = children.get(path, [])
        grown = [_delta(inner[child]) for child in mine]
        if sum(max(size, 0) for size in grown) > max(delta, 0):
            found.append((inner[path].path, delta))
        else:
            found.append((inner[path].path, delta - sum(grown)))
            waiting.extend(mine)
    return found


def _tree(
    phases: Sequence[results.PhaseRow],
) -> tuple[dict[PhasePath, results.PhaseRow], dict[PhasePath, list[PhasePath]]]:
    """The rows by path, and the paths inside each."""
    inner = {phase.names: phase for phase in phases if phase.path}
    children: dict[PhasePath, list[PhasePath]] = {}
    for path in inner:
        children.setdefault(nearest(path, inner), []).append(path)
    return inner, children


def _delta(phase: results.PhaseRow) -> int:
    return phase.resident.delta_bytes if phase.resident is not None else 0
