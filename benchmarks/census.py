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
    """How many types count otherwise than by a plain walk, those that hold either result itself aside.

    The walk goes on where pympler's stops, whose list lacks what only untracked objects refer to: the values of a dict
    of numbers, the array below a view.
    """
    found = [_compared(take_census(), _walked()) for _ in range(2)]  # the first time, both make things that stay
    own = {f"builtins.{kind}" for kind in ("int", "str", "tuple", "dict", "list", "cell", "builtin_function_or_method")}
    return len(found[-1] - own)


def _walked() -> Census:
    """Count pympler's objects, and those that they lead to, one by one."""
    from pympler import muppy

    gc.collect()
    objects: list[Any] = muppy.get_objects()
    seen = set(map(id, objects))
    array = getattr(sys.modules.get("numpy"), "ndarray", ())
    census: Census = {}
    for thing in objects:  # which grows meanwhile
        name = type_name(type(thing))
        count, size = census.get(name, (0, 0))
        census[name] = count + 1, size + sys.getsizeof(thing)
        below = [] if gc.is_tracked(thing) else gc.get_referents(thing)
        for inner in [*below, thing.base] if isinstance(thing, array) else below:
            if inner is not None and id(inner) not in seen and not gc.is_tracked(inner):
                seen.add(id(inner))
                objects.append(inner)
    return census


def _compared(ours: Census, theirs: Census) -> set[str]:
    return {name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)}
