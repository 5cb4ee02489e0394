"""Counts every live Python object by type, in one pass whose loops all run in C.

The objects are what the garbage collector tracks, except frames, and the untracked objects that those lead to (numbers,
strings, bytes, arrays, and tuples or dicts of nothing else), each once. Sizes are `sys.getsizeof`: the object itself
with the collector's header, without what it refers to; a storage of torch's has the private memory that it looks at.
pympler's `muppy.get_objects()` finds the same, but for what only untracked objects refer to: the values of a dict of
strings, the array below a view.
"""

from __future__ import annotations

import gc
import os
import sys
from _thread import RLock
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, compress, filterfalse, repeat
from sys import getsizeof
from types import FrameType
from typing import Any, NamedTuple, TypeAlias

from ..foreign_errors import is_the_programs, pass_on
from ..system.garbage_collector import pause_collector, resume_collector
from .referents import referents
from .storages import library_of
from .torch_storages import storage_types, surplus_of

_HAVE_GC = 1 << 14  # Py_TPFLAGS_HAVE_GC: containers, though the collector may leave an object of theirs alone
_DEEPEST = 10  # untracked containers inside each other
_flags_of = type.__dict__["__flags__"].__get__
# One census at a time: it would find the lists of another one, and the next one twice as many objects in its own.
_alone = RLock()

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
    lock = _alone
    try:  # `with` blocks would make objects that this counts
        lock.acquire()  # inside: a signal handler may raise right after it
        was_enabled = pause_collector()
        try:
            tracked = gc.get_objects()
            referred = list(filterfalse(gc.is_tracked, referents(*tracked)))
            untracked = dict(zip(map(id, referred), referred, strict=True))
            level = [*_untracked_content(tracked, arrays_only=True), *_untracked_content(referred)]
            del referred
            while level:
                inner = {id(thing): thing for thing in level if id(thing) not in untracked}
                untracked.update(inner)
                level = _untracked_content(list(inner.values()))
            return census_of(tracked, untracked.values())
        finally:
            resume_collector(was_enabled)
    finally:
        try:
            lock.release()
        except RuntimeError as error:  # a signal handler has raised while this waited
            pass_on(error)


def _after_fork() -> None:
    """This is a forked child process: the census of another thread goes on in the parent only."""
    global _alone
    _alone = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def untracked_below(container: Any) -> Iterator[tuple[tuple[Any, ...], list[Any]]]:
    """Yield the untracked objects that a tracked one leads to, with the path of objects that refer to them."""
    waiting: list[tuple[Any, ...]] = [(container,)]
    while waiting:
        path = waiting.pop()
        above = path[-1]
        if library_of(type(above)) == "numpy":
            things = _untracked_content([above])
        else:
            things = list(filterfalse(gc.is_tracked, referents(above)))
        if things:
            yield path, things
            if len(path) < _DEEPEST:
                waiting += [(*path, thing) for thing in things if _leads_on(type(thing))]


def _untracked_content(things: Sequence[Any], *, arrays_only: bool = False) -> list[Any]:
    """Return the untracked objects that untracked containers among the things, and views of arrays, refer to."""
    kinds = set(map(type, things))
    arrays = {kind for kind in kinds if library_of(kind) == "numpy"}
    found: list[Any] = []
    if not arrays_only:
        may_refer = set(filter(_is_container, kinds))
        containers = compress(things, map(may_refer.__contains__, map(type, things)))
        found += filterfalse(gc.is_tracked, referents(*containers))
    if arrays:
        views = compress(things, map(arrays.__contains__, map(type, things)))
        base_of = sys.modules["numpy"].ndarray.base.__get__
        bases = (base for base in map(base_of, views) if base is not None)
        found += filterfalse(gc.is_tracked, bases)
    return found


def _leads_on(kind: type) -> bool:
    return _is_container(kind) or library_of(kind) == "numpy"


def _is_container(kind: type) -> bool:
    """Whether its objects may refer to others: dicts of numbers, say, or numpy's ufuncs, none of which are tracked."""
    return bool(_flags_of(kind) & _HAVE_GC)


def census_of(*groups: Iterable[Any]) -> Census:
    """Count objects by type, except frames. The groups are iterated several times, and must share no object."""
    types = chain.from_iterable(map(type, group) for group in groups)
    try:
        sizes = chain.from_iterable(map(getsizeof, group, repeat(0)) for group in groups)
        # Few types have objects of many sizes, so there are few pairs; each is freed as soon as it is counted.
        pairs = Counter(zip(types, sizes, strict=True))
    except Exception as error:  # a `__sizeof__` of the program's raises something other than TypeError
        if is_the_programs(error):
            raise
        types = chain.from_iterable(map(type, group) for group in groups)
        sizes = chain.from_iterable(map(size_or_zero, group) for group in groups)
        pairs = Counter(zip(types, sizes, strict=True))
    by_type: dict[type, tuple[int, int]] = {}
    for (kind, size), count in pairs.items():
        known_count, known_bytes = by_type.get(kind, (0, 0))
        by_type[kind] = (known_count + count, known_bytes + count * size)
    by_type.pop(FrameType, None)
    for kind in storage_types() & by_type.keys():
        count, size = by_type[kind]
        surplus = surplus_of(thing for thing in chain.from_iterable(groups) if type(thing) is kind)
        by_type[kind] = count, max(0, size - surplus)
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


def size_or_zero(thing: Any) -> int:
    """Return `sys.getsizeof` of an object; 0 if its type's `__sizeof__` raises an exception."""
    try:
        return getsizeof(thing, 0)
    except Exception:
        return 0
