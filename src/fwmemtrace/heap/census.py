"""Counts every live Python object by type, in one pass whose loops all run in C.

The objects are those of pympler's `muppy.get_objects()`: what the garbage collector tracks, except frames, and the
untracked objects that those refer to directly (numbers, strings, bytes, and tuples or dicts of nothing else), each
once. Sizes are `sys.getsizeof`: the object itself with the collector's header, without what it refers to. An untracked
object that only untracked ones refer to is not seen, as in pympler.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable
from itertools import chain, filterfalse, repeat
from sys import getsizeof
from types import FrameType
from typing import Any, NamedTuple, TypeAlias

from ..system.garbage_collector import pause_collector, resume_collector
from .referents import referents

Census: TypeAlias = dict[str, tuple[int, int]]  # by type: objects, bytes


class CensusTotals(NamedTuple):
    """All types together."""

    objects: int
    size_bytes: int


def take_census() -> Census:
    """Count every live object by type.

    Garbage that has not been collected yet is live, too: call `gc.collect()` first to leave it out.

    Returns:
        Counts by module and qualified name; classes of one name, such as those that each call of a function creates,
        share a row. None of the objects is kept alive.
    """
    was_enabled = pause_collector()  # a `with` block would make objects that this counts
    try:
        tracked = gc.get_objects()
        referred = list(filterfalse(gc.is_tracked, referents(*tracked)))
        untracked = dict(zip(map(id, referred), referred, strict=True))
        del referred
        return census_of(tracked, untracked.values())
    finally:
        resume_collector(was_enabled)


def census_of(*groups: Iterable[Any]) -> Census:
    """Count objects by type, except frames. The groups are iterated twice, and must share no object."""
    types = chain.from_iterable(map(type, group) for group in groups)
    try:
        sizes = chain.from_iterable(map(getsizeof, group, repeat(0)) for group in groups)
        # Few types have objects of many sizes, so there are few pairs; each is freed as soon as it is counted.
        pairs = Counter(zip(types, sizes, strict=True))
    except Exception:  # a `__sizeof__` of the program's raises something other than TypeError
        types = chain.from_iterable(map(type, group) for group in groups)
        sizes = chain.from_iterable(map(_size_or_zero, group) for group in groups)
        pairs = Counter(zip(types, sizes, strict=True))
    by_type: dict[type, tuple[int, int]] = {}
    for (kind, size), count in pairs.items():
        known_count, known_bytes = by_type.get(kind, (0, 0))
        by_type[kind] = (known_count + count, known_bytes + count * size)
    by_type.pop(FrameType, None)
    census: Census = {}
    for kind, (count, size) in by_type.items():
        name = type_name(kind)
        known_count, known_bytes = census.get(name, (0, 0))
        census[name] = (known_count + count, known_bytes + size)
    return census


def type_name(kind: type) -> str:
    """Return a type's module and qualified name, such as `builtins.dict`."""
    try:
        # Bypasses the metaclass: reading a name must not run the program's code.
        module, name = type.__dict__["__module__"].__get__(kind), type.__dict__["__qualname__"].__get__(kind)
        return f"{module}.{name}" if isinstance(module, str) else str(name)
    except Exception:
        return "?"


def totals(census: Census) -> CensusTotals:
    """Add up all types."""
    return CensusTotals(sum(count for count, _ in census.values()), sum(size for _, size in census.values()))


def _size_or_zero(thing: Any) -> int:
    try:
        return getsizeof(thing, 0)
    except Exception:
        return 0
