"""Draws the phases of a process as a tree, for every table that shows one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .. import results
from ..analysis.phase_tree import phase_tree
from ..paths import OUTSIDE, write
from .blocks import Code, Guide, Inline


def drawn(phases: Sequence[results.PhaseRow]) -> Iterator[tuple[results.PhaseRow, list[Inline]]]:
    """Yields each phase of one process with its guides and name; the row of what happened in no phase is left out.

    The name is the phase's own, after those of phases around it that have no row.
    """
    tree = phase_tree(phases)
    # A stack of its own: a trace may nest phases deeper than Python lets functions call each other.
    waiting = [(path, OUTSIDE, "", "") for path in reversed(tree.children.get(OUTSIDE, []))]
    while waiting:
        path, around, guide, below = waiting.pop()
        name = path[-1] if len(path) == len(around) + 1 else write(path[len(around) :])
        yield tree.rows[path], [Guide(guide), Code(name)]
        inside = tree.children.get(path, [])
        waiting += [
            (
                child,
                path,
                below + ("└ " if child == inside[-1] else "├ "),
                below + ("  " if child == inside[-1] else "│ "),
            )
            for child in reversed(inside)
        ]
