"""Finds which phases of one trace are those of another under a new name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher

from ...paths import PhasePath
from .figures import PhaseFigures

_ALIKE = 0.6  # of two names, by difflib's ratio


def match_phases(
    old: Mapping[PhasePath, PhaseFigures], new: Mapping[PhasePath, PhaseFigures]
) -> dict[PhasePath, PhasePath]:
    """Return the old path of each new path that has one. The phases inside a renamed phase move with it.

    Two phases at the same place are one if their numbers of calls are the same, and so are their names, nearly, or
    what they did. Where more than one would do, none is.
    """
    matched: dict[PhasePath, PhasePath] = {}
    waiting: list[tuple[PhasePath, PhasePath]] = [((), ())]
    while waiting:
        old_parent, new_parent = waiting.pop()
        matched[new_parent] = old_parent
        before, after = _children(old, old_parent), _children(new, new_parent)
        kept = [name for name in after if name in before]
        pairs = [(name, name) for name in kept]
        gone = [name for name in before if name not in after]
        come = [name for name in after if name not in before]
        pairs += _renamed(
            gone,
            come,
            {name: old[(*old_parent, name)] for name in gone if (*old_parent, name) in old},
            {name: new[(*new_parent, name)] for name in come if (*new_parent, name) in new},
        )
        waiting += [((*old_parent, a), (*new_parent, b)) for a, b in pairs]
    return matched


def _children(phases: Iterable[PhasePath], parent: PhasePath) -> dict[str, None]:
    """Return the names directly inside a path, in order; also those that only have phases inside them."""
    depth = len(parent)
    return {path[depth]: None for path in phases if len(path) > depth and path[:depth] == parent}


def _renamed(
    gone: Iterable[str], come: Iterable[str], old: Mapping[str, PhaseFigures], new: Mapping[str, PhaseFigures]
) -> list[tuple[str, str]]:
    possible = [(a, b) for a in gone if a in old for b in come if b in new and _same(a, b, old[a], new[b])]
    olds, news = [a for a, _ in possible], [b for _, b in possible]
    return [(a, b) for a, b in possible if olds.count(a) == 1 and news.count(b) == 1]


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
