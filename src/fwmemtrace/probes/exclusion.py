"""Work and own_objects of one probe that must not show in another's figures.

A census makes lists as long as the heap has objects, and keeps its result until the phase ends. tracemalloc would count
the one into the peak of every phase around the one whose edge this is, and the other into its size too. So a probe does
such work inside `excluded()` and keeps such results as `ExcludedData`; one that measures the Python heap registers what
to do around the work, and takes `excluded_bytes()` out of what it reads.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from sys import getsizeof

from ..heap.referents import referents

_LARGEST_SHARED_INTEGER = 256  # the interpreter has one object of each up to here, which is everybody's
_OWN_MODULES = f"{__name__.partition('.')[0]}.probes."

_keepers: list[tuple[Callable[[], None], Callable[[], None]]] = []
_lock = threading.RLock()
_held = 0


def add_exclusion_hooks(before: Callable[[], None], after: Callable[[], None]) -> None:
    """Have these called around every probe's own work; give the same two to `remove_exclusion_hooks` at the end."""
    _keepers.append((before, after))


def remove_exclusion_hooks(before: Callable[[], None], after: Callable[[], None]) -> None:
    """Take back what `add_exclusion_hooks` was given."""
    if (before, after) in _keepers:
        _keepers.remove((before, after))


@contextmanager
def excluded() -> Iterator[None]:
    """What is allocated and given back in this block counts for no phase."""
    keepers = list(_keepers)
    for before, _ in keepers:
        before()
    try:
        yield
    finally:
        for _, after in keepers:
            after()


def excluded_bytes() -> int:
    """Bytes of the Python heap that parcels take now."""
    return _held


def own_objects(state: object) -> list[object]:
    """What the probes and the probe_set keep in a span's state that a census finds; parcels' bytes are counted apart.

    It comes to be while the phase is open, and would count as the phase's growth otherwise.
    """
    found: dict[int, object] = {}
    waiting = [state] if type(state) is dict else []
    while waiting:
        thing = waiting.pop()
        found[id(thing)] = thing
        if gc.is_tracked(thing):
            waiting += [
                part
                for part in referents(thing)
                if id(part) not in found
                and (
                    type(part) in (dict, tuple)
                    or (type(part) is int and part > _LARGEST_SHARED_INTEGER)
                    or type(part).__module__.startswith(_OWN_MODULES)
                )
            ]
    return list(found.values())


class ExcludedData:
    """Keeps bytes from begin to end of a phase, and their size known. Make and open it inside `excluded()`."""

    __slots__ = ("data", "size")

    def __init__(self, data: bytes) -> None:
        global _held
        self.data = data
        self.size = getsizeof(data)
        with _lock:
            _held += self.size

    def __del__(self) -> None:
        # Not in a method to call at the end: a phase that never ends must not leave its parcel in the count.
        global _held
        with _lock:
            _held -= self.size
