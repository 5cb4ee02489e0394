"""The phases of a process as lines of a tree, for every report that shows one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import results
from ..analysis.phase_rows import parent_path


@dataclass(frozen=True, slots=True)
class TreeLine:
    """One phase in the tree.

    Attributes:
        phase: its results.
        name: its path less that of the phase it is inside of.
        guide: what is drawn before the name.
        own_bytes: its RSS change less that of the phases inside it.
    """

    phase: results.PhaseRow
    name: str
    guide: str
    own_bytes: int


def lines(phases: Sequence[results.PhaseRow]) -> list[TreeLine]:
    """Draw the phases of one process, given in tree order; the row for "no phase" is left out."""
    inner = {phase.path: phase for phase in phases if phase.path}
    known = set(inner)
    parent_of = {path: parent_path(path, known) for path in inner}
    children: dict[str, list[str]] = {}
    for path, parent in parent_of.items():
        children.setdefault(parent, []).append(path)
    drawn: list[TreeLine] = []

    def draw(path: str, guide: str, below: str) -> None:
        phase, mine = inner[path], children.get(path, [])
        parent = parent_of[path]
        name = path[len(parent) + 1 :] if parent else path
        own = _delta(phase) - sum(_delta(inner[child]) for child in mine)
        drawn.append(TreeLine(phase, name, guide, own))
        for child in mine:
            last = child == mine[-1]
            draw(child, below + ("└ " if last else "├ "), below + ("  " if last else "│ "))

    for root in children.get("", []):
        draw(root, "", "")
    return drawn


def contributions(phases: Sequence[results.PhaseRow]) -> list[tuple[str, int]]:
    """What each phase added to RSS by itself, as paths and bytes; the parts add up to the outermost phases' sum.

    A phase stands for those inside it where they grew by more than it did: part of that was given back within it, so
    none of them holds what it grew by.
    """
    inner = {phase.path: phase for phase in phases if phase.path}
    known = set(inner)
    children: dict[str, list[str]] = {}
    for path in inner:
        children.setdefault(parent_path(path, known), []).append(path)
    found: list[tuple[str, int]] = []
    waiting = list(children.get("", []))
    while waiting:
        path = waiting.pop()
        delta = _delta(inner[path])
        mine = children.get(path, [])
        grown = [_delta(inner[child]) for child in mine]
        if sum(max(size, 0) for size in grown) > max(delta, 0):
            found.append((path, delta))
        else:
            found.append((path, delta - sum(grown)))
            waiting.extend(mine)
    return found


def _delta(phase: results.PhaseRow) -> int:
    return phase.resident.delta_bytes if phase.resident is not None else 0
