"""Excludes the memory that one probe needs from the figures of the others.

A census makes lists as long as the heap has objects, and keeps its result until the phase ends. tracemalloc would count
the lists into the peak of every open phase, and the result into their size. So a probe does such work inside
`excluded()` and keeps such results as `ExcludedData`. A probe that measures the Python heap registers hooks to call
around that work, and subtracts `excluded_bytes()` from what it reads.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from sys import getsizeof

from ..heap.referents import referents

_SHARED_INTEGERS = range(-5, 257)  # the interpreter has one object for each of these
_OWN_MODULES = f"{__name__.partition('.')[0]}.probes."

_hooks: list[tuple[Callable[[], None], Callable[[], None]]] = []
_lock = threading.RLock()
_excluded_bytes = 0


def add_exclusion_hooks(before: Callable[[], None], after: Callable[[], None]) -> None:
    """Call these two around every block of `excluded()` from now on, until `remove_exclusion_hooks`."""
    _hooks.append((before, after))


def remove_exclusion_hooks(before: Callable[[], None], after: Callable[[], None]) -> None:
    """Remove a pair of hooks, if it is registered."""
    if (before, after) in _hooks:
        _hooks.remove((before, after))


@contextmanager
def excluded() -> Iterator[None]:
    """Count what is allocated and freed inside this block for no phase."""
    hooks = list(_hooks)
    for before, _ in hooks:
        before()
    try:
        yield
    finally:
        for _, after in hooks:
            after()


def excluded_bytes() -> int:
    """Return the bytes of the Python heap that live `ExcludedData` takes."""
    return _excluded_bytes


def own_objects(state: object, *more: object) -> list[object]:
    """Return the objects that the probes keep in a span's state and a census would find.

    They are made while the phase is open, and would count as its growth. Bytes in `ExcludedData` are not among them.

    Args:
        state: the span's `state`.
        more: what a probe is about to return from `phase_began`, which will be in there when the phase ends.
    """
    found: dict[int, object] = {}
    waiting = [*([state] if type(state) is dict else []), *more]
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
                    or (type(part) is int and part not in _SHARED_INTEGERS)
                    or type(part).__module__.startswith(_OWN_MODULES)
                )
            ]
    return list(found.values())


class ExcludedData:
    """Keeps bytes of known size from begin to end of a phase. Make it and read it inside `excluded()`."""

    __slots__ = ("data", "size")

    def __init__(self, data: bytes) -> None:
        global _excluded_bytes
        self.data = data
        self.size = getsizeof(data)
        with _lock:
            _excluded_bytes += self.size

    def take(self) -> bytes:
        """Return the bytes, and keep and count them no longer."""
        global _excluded_bytes
        data, size, self.data, self.size = self.data, self.size, b"", 0
        with _lock:
            _excluded_bytes -= size
        return data

    def __del__(self) -> None:
        # Not a method to be called at the end: a phase that never ends must not leave its data in the count.
        global _excluded_bytes
        with _lock:
            _excluded_bytes -= self.size
