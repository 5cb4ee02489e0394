"""Counts every live Python object by type, in one pass whose loops are all written in C.

The objects are those that pympler's `muppy.get_objects()` finds: what the garbage collector tracks, frames left out,
and what those refer to directly that it does not track (numbers, texts, bytes, and tuples or dicts of nothing but
those), each once. Sizes are `sys.getsizeof`: the object itself, with the collector's header, without what it refers to.
An untracked object held by nothing but untracked ones stays unseen, as it does there.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable
from itertools import chain, filterfalse, repeat
from sys import getsizeof
from types import FrameType
from typing import Any, NamedTuple, TypeAlias

from .referents import referents

Census: TypeAlias = dict[str, tuple[int, int]]  # type: how many, bytes


class Totals(NamedTuple):
    """All types together."""

    objects: int
    size_bytes: int


def take_census() -> Census:
    """Every live object by type.

    Garbage that the collector has not come to yet is live too: call `gc.collect()` first to leave it out.

    Returns:
        Types by module and qualified name; classes of one name, such as those made anew by each call of a function,
        share a row. Nothing of what was counted is held on to.
    """
    collecting = gc.isenabled()
    gc.disable()  # the lists made here are big, and must not set off a collection of the program's heap
    try:
        tracked = gc.get_objects()
        referred = list(filterfalse(gc.is_tracked, referents(*tracked)))
        untracked = dict(zip(map(id, referred), referred, strict=True))
        del referred
        return census_of(tracked, untracked.values())
    finally:
        if collecting:
            gc.enable()


def census_of(*groups: Iterable[Any]) -> Census:
    """Count objects by type, frames left out. The groups are gone through twice, and share no object."""
    types = chain.from_iterable(map(type, group) for group in groups)
    try:
        sizes = chain.from_iterable(map(getsizeof, group, repeat(0)) for group in groups)
        # Few types have objects of many sizes, so this groups most of them; a pair is freed as soon as it is counted.
        pairs = Counter(zip(types, sizes, strict=True))
    except Exception:  # somebody's `__sizeof__` raises something else than TypeError
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
    """A type's name behind its module's, such as `builtins.dict`."""
    try:
        # Past the metaclass: neither name may run the program's code or be something else than text.
        module, name = type.__dict__["__module__"].__get__(kind), type.__dict__["__qualname__"].__get__(kind)
        return f"{module}.{name}" if isinstance(module, str) else str(name)
    except Exception:
        return "?"


def totals(census: Census) -> Totals:
    """All types together."""
    return Totals(sum(count for count, _ in census.values()), sum(size for _, size in census.values()))


def _size_or_zero(thing: Any) -> int:
    try:
        return getsizeof(thing, 0)
    except Exception:
        return 0
