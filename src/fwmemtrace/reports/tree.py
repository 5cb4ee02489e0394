"""Draws trees, for every table that shows one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .. import results
from ..analysis.phase_tree import phase_tree
from ..paths import OUTSIDE, PhasePath, write
from .blocks import Code, Guide, Inline


def drawn(phases: Sequence[results.PhaseRow]) -> Iterator[tuple[results.PhaseRow, list[Inline]]]:
    """Yields each phase of one process with its guides and name; the row of what happened in no phase is left out.

    The name is the phase's own, after those of phases around it that have no row.
    """
    tree = phase_tree(phases)
    # A stack of its own: a trace may nest phases deeper than Python lets functions call each other.
    waiting: list[tuple[PhasePath, PhasePath, tuple[bool, ...]]] = [
        (path, OUTSIDE, ()) for path in reversed(tree.children.get(OUTSIDE, []))
    ]
    while waiting:
        path, around, ends = waiting.pop()
        name = path[-1] if len(path) == len(around) + 1 else write(path[len(around) :])
        yield tree.rows[path], [guide(ends), Code(name)]
        inside = tree.children.get(path, [])
        waiting += [(child, path, (*ends, child == inside[-1])) for child in reversed(inside)]


def guide(ends: Sequence[bool]) -> Guide:
    """Returns what stands in front of an entry of a tree.

    Args:
        ends: for each level below the outermost, whether the entry belongs to the last one of that level.
    """
    above = "".join("  " if end else "│ " for end in ends[:-1])
    return Guide(above + ("└ " if ends[-1] else "├ ") if ends else "")
