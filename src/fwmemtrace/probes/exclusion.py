"""Excludes the memory that one probe needs from the figures of the others.

A census makes lists as long as the heap has objects, and keeps its result until the phase ends. tracemalloc would count
the lists into the peak of every open phase, and the result into their size. So a probe does such work inside
`excluded()` and keeps such results as `ExcludedData`. A probe that measures the Python heap registers hooks to call
around that work, and subtracts `excluded_bytes()` from what it reads.
"""

from __future__ import annotations

import gc
import os
import threading
from _weakref import ref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from sys import getsizeof
from time import perf_counter_ns, sleep
from typing import Any

from ..heap.referents import referents

_SHARED_INTEGERS = range(-5, 257)  # the interpreter has one object for each of these
_OWN_MODULES = tuple(f"{__name__.partition('.')[0]}.{room}." for room in ("probes", "system", "recording", "tracing"))

_keepers: list[ref[Any]] = []
_background: list[BackgroundWork] = []
_censuses: list[None] = []  # one entry for each that is under way
_LONGEST_WAIT_NS, _WAIT_S = 50_000_000, 0.0002
_hooks: list[tuple[Callable[[], None], Callable[[], None]]] = []
_lock = threading.RLock()
_excluded_bytes = 0


def _after_fork() -> None:
    """This is a forked child process: what other threads were doing is under way in the parent only."""
    global _lock
    _lock = threading.RLock()
    _censuses.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


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


def leave_out(keeper: object) -> None:
    """Leave what an object of the tracer's leads to out of censuses, until it is freed or `leave_out_no_longer`."""
    _keepers[:] = [*(known for known in _keepers if known() is not None), ref(keeper)]


def leave_out_no_longer(keeper: object) -> None:
    """Undo `leave_out`, if it was done."""
    _keepers[:] = [known for known in _keepers if known() is not keeper]


class BackgroundWork:
    """What a thread of the tracer's does and keeps while phases are open: it would count as their growth.

    The thread works between `begin` and `end`, and a census waits until it has done so.

    Args:
        keeper: see `leave_out`.
    """

    def __init__(self, keeper: object) -> None:
        self._keeper = keeper
        self.is_under_way = False
        leave_out(keeper)
        _background.append(self)

    def begin(self) -> bool:
        """Begin a piece of work; False while a census is under way, when it must wait."""
        # Each side says what it is about to do before it looks at the other, so that at least one of them waits.
        self.is_under_way = not _censuses
        if _censuses:
            self.is_under_way = False
        return self.is_under_way

    def end(self) -> None:
        """The piece of work is done."""
        self.is_under_way = False

    def over(self) -> None:
        """The thread has ended, or stayed with the parent of a fork."""
        self.is_under_way = False
        leave_out_no_longer(self._keeper)
        if self in _background:
            _background.remove(self)


@contextmanager
def background_rests() -> Iterator[None]:
    """Take a census in this block: no background work begins in it."""
    _censuses.append(None)
    try:
        deadline = perf_counter_ns() + _LONGEST_WAIT_NS
        while any(work.is_under_way for work in _background) and perf_counter_ns() < deadline:
            sleep(_WAIT_S)
        yield
    finally:
        del _censuses[:1]


def left_out() -> list[object]:
    """Return the objects that a census finds and `leave_out` excludes; call it inside `background_rests`."""
    found = own_objects(None, *(keeper for known in _keepers if (keeper := known()) is not None))
    return found if _excluded_bytes in _SHARED_INTEGERS else [*found, _excluded_bytes]


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
                    type(part) in (dict, tuple, list, float)
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
