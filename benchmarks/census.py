"""A census of 700,000 objects against pympler's `muppy.get_objects()` and `summary.summarize()`."""

from __future__ import annotations

import gc
import sys
from time import process_time_ns
from typing import Any

from benchmarks.harness import Row, in_turns
from fwmemtrace.heap.census import Census, take_census, type_name

_OBJECTS = 700_000
_ROUNDS = 3


class Session:
    """An object as services keep them."""

    def __init__(self, number: int) -> None:
        self.user = str(number)
        self.scores = {"toxic": number / 7, "spam": [number + 1000, number / 3]}


def run() -> list[Row]:
    """Count the same heap by turns."""
    from pympler import muppy, summary

    kept = [Session(number) for number in range(_OBJECTS // 9)]
    while _count() < _OBJECTS:
        kept += [Session(number) for number in range(1000)]

    def ours() -> float:
        began = process_time_ns()
        # pympler collects garbage first; so that both have the same work, so does this one.
        gc.collect()
        take_census()
        return process_time_ns() - began

    def peer() -> float:
        began = process_time_ns()
        summary.summarize(muppy.get_objects())
        return process_time_ns() - began

    rows = [Row(f"census of {_count():,} objects / pympler", *in_turns(ours, peer, _ROUNDS), target=0.2, unit="ns")]
    different = _disagreement()
    rows.append(Row("census: types whose count or size differs", different, 0, different, 0, "types", kind="at most"))
    assert kept
    return rows


def _count() -> int:
    return sum(count for count, _ in take_census().values())


def _disagreement() -> int:
    """How many types count otherwise than by pympler, those that hold either result itself aside."""
    from pympler import muppy

    gc.collect()
    ours = take_census()
    theirs: dict[str, tuple[int, int]] = {}
    objects: list[Any] = muppy.get_objects()
    for thing in objects:
        name = type_name(type(thing))
        count, size = theirs.get(name, (0, 0))
        theirs[name] = count + 1, size + sys.getsizeof(thing)
    del objects
    own = {f"builtins.{kind}" for kind in ("int", "str", "tuple", "dict", "list", "cell", "builtin_function_or_method")}
    return len(_compared(ours, theirs) - own)


def _compared(ours: Census, theirs: Census) -> set[str]:
    return {name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)}
