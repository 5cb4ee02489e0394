"""Folds tracemalloc's traces into one figure per stack.

`tracemalloc.take_snapshot().statistics("lineno")` makes a Python object of every trace and loops over them in Python
code, which is slow for a reason beyond the interpreter: while tracing is on, each integer that the loop makes is traced
too. Here functions written in C, which allocate next to nothing, group the traces, and each stack is summed up once.
tracemalloc returns the same tuple for all traces of a stack, so there are few groups: a program has millions of traces
from thousands of stacks.
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

from ...system.garbage_collector import CollectorPaused

PythonStack: TypeAlias = tuple[tuple[str, int], ...]  # (file, line), innermost first, as tracemalloc keeps them
HeapFold: TypeAlias = dict[PythonStack, tuple[int, int]]  # live bytes and blocks

_SIZE = itemgetter(1)
_STACK = itemgetter(2)
# From Python 3.12 on the collector no longer runs inside functions written in C.
_COLLECTS_WITHIN = sys.version_info < (3, 12)
# Collect after this many new tuples. Those of one size come from the 2,000 freed ones that the interpreter keeps; the
# threshold counts only what the allocator makes beyond them.
_FRESH_TUPLES = 200
_NEVER = 10**9


def fold_heap() -> HeapFold:
    """Fold tracemalloc's own table into live bytes and blocks by stack.

    Returns:
        An empty fold where tracemalloc is off. Its sums equal those over `tracemalloc.take_snapshot().traces`.
    """
    if gc.isenabled() and gc.get_threshold()[0] and _COLLECTS_WITHIN:
        return _DrainingFold().fold()
    with CollectorPaused():
        return fold_traces(_tracemalloc._get_traces())


def fold_traces(traces: Collection[Any]) -> HeapFold:
    """Fold tracemalloc's traces, which are tuples of domain, size, frames and depth."""
    groups = _SizesByStack()
    groups.add(traces)
    return groups.fold()


class _SizesByStack:
    """The sizes of the traces of each stack."""

    def __init__(self) -> None:
        self._sizes: defaultdict[PythonStack, list[int]] = defaultdict(list)

    def add(self, traces: Collection[Any]) -> None:
        """Add traces without a loop in Python code: appending makes no integer that would be traced."""
        deque(map(list.append, map(self._sizes.__getitem__, map(_STACK, traces)), map(_SIZE, traces)), maxlen=0)

    def fold(self) -> HeapFold:
        """Return the sums."""
        return {stack: (sum(sizes), len(sizes)) for stack, sizes in self._sizes.items()}


class _DrainingFold:
    """Folds the traces while tracemalloc produces them, before all of them exist.

    `_get_traces` fills a list with one tuple per trace. Making tuples starts the collector, which calls `gc.callbacks`,
    and such a callback can empty the list: the next tuples then reuse the freed ones. So a million traces never exist
    at once, which saves most of the time of making and freeing them, and hundreds of megabytes that the process would
    not give back. The collections themselves see only the program's few young objects. Where it is not certain which
    list is being filled, it is left alone and folded as a whole at the end.
    """

    def __init__(self) -> None:
        self._groups = _SizesByStack()
        self._thread = get_ident()
        self._traces: list[Any] | None = None
        self._given_up = False
        self._error: BaseException | None = None

    def fold(self) -> HeapFold:
        """Fold all live traces.

        Raises:
            BaseException: what the callback raised, such as KeyboardInterrupt; the collector itself would swallow it.
        """
        callbacks, thresholds = gc.callbacks[:], gc.get_threshold()
        mine = self._on_collection
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

    def _on_collection(self, stage: str, info: dict[str, Any]) -> None:
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
        """Find the list that is being filled: the only young list of traces."""
        found = [thing for thing in gc.get_objects(0) if type(thing) is list and _is_of_traces(thing)]
        self._given_up = len(found) > 1
        return found[0] if len(found) == 1 else None


def _is_of_traces(things: list[Any]) -> bool:
    return bool(things) and _is_trace(things[0]) and _is_trace(things[-1])


def _is_trace(thing: Any) -> bool:
    """Return whether this is a tuple of domain, size, frames and depth."""
    if type(thing) is not tuple or tuple(map(type, thing)) != (int, int, tuple, int):
        return False
    frames = thing[2]
    return bool(frames) and type(frames[0]) is tuple and tuple(map(type, frames[0])) == (str, int)


def pack(fold: HeapFold) -> bytes:
    """Pack a fold into one block, whose exact size the probe can subtract from the heap's."""
    return marshal.dumps(fold)


def unpack(packed: bytes) -> HeapFold:
    """Unpack a fold that `pack` made in this process."""
    fold: HeapFold = marshal.loads(packed)
    return fold
