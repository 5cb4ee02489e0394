"""Finds which phases of one trace are those of another under a new name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher

from ...paths import PhasePath
from .figures import PhaseFigures

_ALIKE = 0.6  # of two names, by difflib's ratio
_MOST_PAIRS = 2500  # of names that are compared at one place; more are no renaming, but another program


def match_phases(
    old: Mapping[PhasePath, PhaseFigures], new: Mapping[PhasePath, PhaseFigures]
) -> dict[PhasePath, PhasePath]:
    """Return the old path of each new path that has one. The phases inside a renamed phase move with it.

    Two phases at the same place are one if their numbers of calls are the same, and so are their names, nearly, or
    what they did. Where more than one would do, none is.
    """
    old_children, new_children = _children(old), _children(new)
    matched: dict[PhasePath, PhasePath] = {}
    waiting: list[tuple[PhasePath, PhasePath]] = [((), ())]
    while waiting:
        old_parent, new_parent = waiting.pop()
        matched[new_parent] = old_parent
        before, after = old_children.get(old_parent, {}), new_children.get(new_parent, {})
        pairs = [(name, name) for name in after if name in before]
        gone = {name: old[path] for name in before if name not in after and (path := (*old_parent, name)) in old}
        come = {name: new[path] for name in after if name not in before and (path := (*new_parent, name)) in new}
        if len(gone) * len(come) <= _MOST_PAIRS:
            pairs += _renamed(gone, come)
        waiting += [((*old_parent, a), (*new_parent, b)) for a, b in pairs]
    return matched


def _children(phases: Iterable[PhasePath]) -> dict[PhasePath, dict[str, None]]:
    """Return the names directly inside each path, in order; also those that only have phases inside them."""
    found: dict[PhasePath, dict[str, None]] = {}
    for path in phases:
        for depth, name in enumerate(path):
            found.setdefault(path[:depth], {})[name] = None
    return found


def _renamed(old: Mapping[str, PhaseFigures], new: Mapping[str, PhaseFigures]) -> list[tuple[str, str]]:
    possible = [(a, b) for a in old for b in new if _same(a, b, old[a], new[b])]
    olds, news = Counter(a for a, _ in possible), Counter(b for _, b in possible)
    return [(a, b) for a, b in possible if olds[a] == news[b] == 1]


def _same(old_name: str, new_name: str, old: PhaseFigures, new: PhaseFigures) -> bool:
    if old.figures["calls"] != new.figures["calls"]:
        return False
    if SequenceMatcher(None, old_name[:200], new_name[:200]).ratio() >= _ALIKE:
        return True
    a, b = old.figures.get("delta_bytes"), new.figures.get("delta_bytes")
    if a is None or b is None:
        return False
    noise = max(old.noise_bytes, new.noise_bytes)
    return abs(a - b) <= noise < max(abs(a), abs(b))
