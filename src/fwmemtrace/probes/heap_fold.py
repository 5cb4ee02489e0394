"""Folds tracemalloc's traces into one figure a stack, and those into rows: by line, by stack, by package.

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
from collections import defaultdict, deque
from collections.abc import Collection
from operator import itemgetter
from typing import Any, TypeAlias

Frames: TypeAlias = tuple[tuple[str, int], ...]  # (file, line), innermost first, as tracemalloc keeps them
Fold: TypeAlias = dict[Frames, tuple[int, int]]  # bytes and blocks that are live

_SIZE = itemgetter(1)
_FRAMES = itemgetter(2)


def fold_heap() -> Fold:
    """Live bytes and blocks by stack, from tracemalloc's own table.

    Returns:
        An empty fold where tracemalloc is off. Sums over it equal those over `tracemalloc.take_snapshot().traces`.
    """
    # With the collector on, the million tuples that this makes would have it walk the program's heap again and again.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return fold_traces(_tracemalloc._get_traces())
    finally:
        if collecting:
            gc.enable()


def fold_traces(traces: Collection[Any]) -> Fold:
    """Group tracemalloc's traces, tuples of domain, size, frames and depth, by their frames."""
    sizes: defaultdict[Frames, list[int]] = defaultdict(list)
    # One list of sizes a stack, filled without a Python-level loop; appending makes no integer that would be traced.
    deque(map(list.append, map(sizes.__getitem__, map(_FRAMES, traces)), map(_SIZE, traces)), maxlen=0)
    return {frames: (sum(each), len(each)) for frames, each in sizes.items()}


def pack(fold: Fold) -> bytes:
    """A fold as one block of bytes: the probe knows to the byte what it holds itself, and takes that out again."""
    return marshal.dumps(fold)


def unpack(packed: bytes) -> Fold:
    """A fold that `pack` made; only ever bytes from this very process."""
    fold: Fold = marshal.loads(packed)
    return fold
