"""Finds dicts that requests fill without ever taking an entry out, and bounds them, to measure what that saves.

Looked at are the dicts of the program's own modules and classes, and those in the attributes of what `init` returns.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from ..packages import is_standard, package_of
from .library_options import CACHE_ENTRIES

GROWING = "growing dicts"  # in what the pass that watches use notes
MADE = "init()"  # what `init` returns, in the name of a dict
_DEEPEST = 4  # attributes and items from what `init` returns
_TRACER = __name__.partition(".")[0]


def named_dicts(instance: Any) -> Iterator[tuple[str, dict[Any, Any]]]:
    """Yields each dict once, with a name by which another process finds it again.

    Args:
        instance: what a component's `init` returned.
    """
    seen: set[int] = set()
    for name, module in list(sys.modules.items()):
        if _is_own(name, module):
            yield from _in_namespace(name, vars(module), seen)
    yield from _inside(MADE, instance, _DEEPEST, seen)


class DictWatch:
    """Notes which dicts grow with requests.

    Args:
        instance: what `init` returned.
    """

    def __init__(self, instance: Any) -> None:
        self._instance = instance
        self._before = self._keys()
        self._first: dict[str, set[int]] = {}

    def first_answered(self) -> None:
        """Takes the entries that the first request made: where they are missing in the end, something bounds it."""
        self._first = {name: keys - self._before.get(name, set()) for name, keys in self._keys().items()}

    def noted(self) -> list[str]:
        """Returns the dicts that have gained many entries and lost none, with their entries."""
        return [
            f"{name}: {len(keys):,} entries"
            for name, keys in self._keys().items()
            if len(keys) - len(self._before.get(name, ())) > CACHE_ENTRIES
            and keys >= self._before.get(name, set()) | self._first.get(name, set())
        ]

    def _keys(self) -> dict[str, set[int]]:
        # Hashes are enough to tell entries apart; the keys themselves would live longer for it.
        return {name: {hash(key) for key in list(found)} for name, found in named_dicts(self._instance)}


class DictBounds:
    """Bounds dicts: after each request, the oldest entries that requests have made are taken out.

    Args:
        names: the names of the dicts.
        instance: what `init` returned.
    """

    def __init__(self, names: Sequence[str], instance: Any) -> None:
        self._names = frozenset(names)
        self._instance = instance
        self._before = {name: len(found) for name, found in self._named()}

    def apply(self) -> None:
        """Take out what exceeds the bound."""
        for name, found in self._named():
            keys = list(found)[self._before.get(name, 0) :]
            for key in keys[: max(len(keys) - CACHE_ENTRIES, 0)]:
                del found[key]

    def _named(self) -> Iterator[tuple[str, dict[Any, Any]]]:
        return ((name, found) for name, found in named_dicts(self._instance) if name in self._names)


def _is_own(name: str, module: Any) -> bool:
    """Tells whether a module is the program's own: neither installed nor part of Python or the tracer."""
    if name.partition(".")[0] == _TRACER or is_standard(name) or not isinstance(module, ModuleType):
        return False
    file = vars(module).get("__file__")
    return isinstance(file, str) and not package_of(file)


def _in_namespace(name: str, namespace: Mapping[str, Any], seen: set[int]) -> Iterator[tuple[str, dict[Any, Any]]]:
    module = namespace.get("__name__")
    for attribute, value in list(namespace.items()):
        if attribute.startswith("__"):
            continue
        if isinstance(value, dict):
            yield from _once(f"{name}.{attribute}", value, seen)
        elif isinstance(value, type) and value.__module__ == module:
            for inner, found in list(vars(value).items()):
                if isinstance(found, dict) and not inner.startswith("__"):
                    yield from _once(f"{name}.{value.__qualname__}.{inner}", found, seen)


def _inside(name: str, value: Any, depth: int, seen: set[int]) -> Iterator[tuple[str, dict[Any, Any]]]:
    if isinstance(value, dict):
        yield from _once(name, value, seen)
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value[:CACHE_ENTRIES] if depth else ()):
            yield from _inside(f"{name}[{number}]", item, depth - 1, seen)
    elif depth and id(value) not in seen and _is_own(type(value).__module__, sys.modules.get(type(value).__module__)):
        seen.add(id(value))
        for attribute, inner in list(getattr(value, "__dict__", {}).items()):
            yield from _inside(f"{name}.{attribute}", inner, depth - 1, seen)


def _once(name: str, found: dict[Any, Any], seen: set[int]) -> Iterator[tuple[str, dict[Any, Any]]]:
    if id(found) not in seen:
        seen.add(id(found))
        yield name, found
