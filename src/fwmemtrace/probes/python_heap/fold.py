"""Folds tracemalloc's traces into one figure a stack.

`tracemalloc.take_snapshot().statistics("lineno")` makes a Python object of every trace and loops over them in Python
code, which is slow for a reason beyond the interpreter: while tracing is on, each integer that the loop makes is traced
too. Here the traces are grouped by functions written in C that allocate next to nothing, and the sums are made once a
stack. tracemalloc hands out one and the same tuple for every trace of one stack, so what is grouped is small: a program
has millions of traces from thousands of stacks.
"""

from __future__ import annotations

import _tracemalloc
import gc
import marshal
import sys
from collections import defaultdict, deque
from collections.abc import Collection
from operator import itemgetter
from threading import get_ident
from typing import Any, TypeAlias

Frames: TypeAlias = tuple[tuple[str, int], ...]  # (file, line), innermost first, as tracemalloc keeps them
Fold: TypeAlias = dict[Frames, tuple[int, int]]  # bytes and blocks that are live

_SIZE = itemgetter(1)
_FRAMES = itemgetter(2)
# From Python 3.12 on the collector no longer runs inside of functions written in C.
_COLLECTS_WITHIN = sys.version_info < (3, 12)
# The interpreter keeps 2,000 freed tuples of a size for the next ones. So many are made from those between two calls,
# and this many more by the allocator.
_FRESH_TUPLES = 200
_NEVER = 10**9


def fold_heap() -> Fold:
    """Live bytes and blocks by stack, from tracemalloc's own table.

    Returns:
        An empty fold where tracemalloc is off. Sums over it equal those over `tracemalloc.take_snapshot().traces`.
    """
    collecting = gc.isenabled()
    if collecting and gc.get_threshold()[0] and _COLLECTS_WITHIN:
        return _Drain().fold()
    # With the collector on, the million tuples that this makes would have it walk the program's heap again and again.
    gc.disable()
    try:
        return fold_traces(_tracemalloc._get_traces())
    finally:
        if collecting:
            gc.enable()


def fold_traces(traces: Collection[Any]) -> Fold:
    """Group tracemalloc's traces, tuples of domain, size, frames and depth, by their frames."""
    groups = _Groups()
    groups.add(traces)
    return groups.fold()


class _Groups:
    """The sizes of the traces of each stack."""

    def __init__(self) -> None:
        self._sizes: defaultdict[Frames, list[int]] = defaultdict(list)

    def add(self, traces: Collection[Any]) -> None:
        """Sort traces in, without a loop in Python code; appending makes no integer that would be traced."""
        deque(map(list.append, map(self._sizes.__getitem__, map(_FRAMES, traces)), map(_SIZE, traces)), maxlen=0)

    def fold(self) -> Fold:
        """The sums."""
        return {frames: (sum(sizes), len(sizes)) for frames, sizes in self._sizes.items()}


class _Drain:
    """Folds the traces while tracemalloc hands them out, rather than when all of them are there.

    `_get_traces` makes a list of a tuple a trace. The collector runs meanwhile, since tuples are made, and calls
    `gc.callbacks`, and such a call can empty the list: the next tuples are then made from the freed ones. So a million
    traces never exist at once, which saves most of the time of making and freeing them and hundreds of megabytes that
    the process would not give back. The collections themselves find nothing but the program's few young objects. Where
    the list is not found for certain it is left alone, and folded as a whole in the end.
    """

    def __init__(self) -> None:
        self._groups = _Groups()
        self._thread = get_ident()
        self._traces: list[Any] | None = None
        self._given_up = False
        self._error: BaseException | None = None

    def fold(self) -> Fold:
        """The fold of all live traces.

        Raises:
            BaseException: whatever the callback raised, such as KeyboardInterrupt; a collection would swallow it.
        """
        callbacks, thresholds = gc.callbacks[:], gc.get_threshold()
        mine = self._told
        gc.callbacks[:] = [mine]
        gc.set_threshold(_FRESH_TUPLES, _NEVER, _NEVER)
        try:
            rest = _tracemalloc._get_traces()
        finally:
            gc.set_threshold(*thresholds)
            gc.callbacks[:] = [*callbacks, *(callback for callback in gc.callbacks if callback != mine)]
            self._traces = None
        if self._error is not None:
            raise self._error
        self._groups.add(rest)
        return self._groups.fold()

    def _told(self, stage: str, info: dict[str, Any]) -> None:
        if stage != "start" or self._given_up or get_ident() != self._thread:
            return
        try:
            if self._traces is None:
                self._traces = self._find()
            if self._traces is not None:
                self._groups.add(self._traces)
                self._traces.clear()
        except BaseException as error:
            self._given_up = True
            self._error = error

    def _find(self) -> list[Any] | None:
        """The list that is being filled: the one young list of traces that there is."""
        found = [thing for thing in gc.get_objects(0) if type(thing) is list and _is_of_traces(thing)]
        self._given_up = len(found) > 1
        return found[0] if len(found) == 1 else None


def _is_of_traces(things: list[Any]) -> bool:
    return bool(things) and _is_trace(things[0]) and _is_trace(things[-1])


def _is_trace(thing: Any) -> bool:
    """Whether this is a tuple of domain, size, frames and depth."""
    if type(thing) is not tuple or tuple(map(type, thing)) != (int, int, tuple, int):
        return False
    frames = thing[2]
    return bool(frames) and type(frames[0]) is tuple and tuple(map(type, frames[0])) == (str, int)


def pack(fold: Fold) -> bytes:
    """A fold as one block of bytes: the probe knows to the byte what it holds itself, and takes that out again."""
    return marshal.dumps(fold)


def unpack(packed: bytes) -> Fold:
    """A fold that `pack` made; only ever bytes from this very process."""
    fold: Fold = marshal.loads(packed)
    return fold
