"""Finds what keeps an object alive: the shortest chain of references to it from a module.

The search collects nothing: garbage in reference cycles is evidence.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from sys import getsizeof
from time import perf_counter_ns
from types import FrameType, FunctionType, ModuleType
from typing import Any, NamedTuple

from ..records import HolderStep
from .census import size_or_zero, type_name, untracked_below
from .chain_steps import describe
from .referents import referents

MODULE, CYCLE, UNSEEN, NOT_FOUND = "module", "cycle", "unseen", ""
_DEEPEST = 20  # steps of a chain
_WIDEST = 20_000  # objects at one distance from the object
_LONGEST_NS = 2_000_000_000
_NEAR = 2.0  # factor between the size of an example and the growth of its type per object
_OWN = __name__.partition(".")[0]


class ReferenceChain(NamedTuple):
    """The chain that keeps an object alive."""

    root: str  # MODULE, CYCLE, UNSEEN or NOT_FOUND
    steps: list[HolderStep]  # from the root to the object
    note: str

    @property
    def is_known(self) -> bool:
        """Whether it leads to a holder of the program's."""
        if any(step.type.startswith(f"{_OWN}.") for step in self.steps):
            return False
        return self.root in (MODULE, CYCLE) or (self.root == UNSEEN and len(self.steps) > 1)

    @property
    def holder(self) -> tuple[object, ...]:
        """What the chains of objects with the same holder have in common: all but positions and keys of containers."""
        return self.root, *((step.type, "[" if step.link.startswith("[") else step.link) for step in self.steps)


class Example(NamedTuple):
    """An object of a type.

    Attributes:
        path: the object last. The collector knows of no reference between the objects before it: each is an untracked
            container or view that refers to the next.
    """

    path: tuple[Any, ...]


def examples(
    kind: str,
    size_bytes: float | None = None,
    number: int = 5,
    *,
    limit_ns: int = _LONGEST_NS,
    clock: Callable[[], int] = perf_counter_ns,
) -> list[Example]:
    """Return objects of the type with that name: young ones, and of an untracked type from the largest holder of them.

    The youngest of all comes last: it is what the program worked with just now, and a variable may still refer to it.
    The collector's lists are in the order of age only until it has gone through them.

    Args:
        kind: the type, as `census.type_name` writes it.
        size_bytes: the growth per object; objects of about that size are preferred.
        number: of examples at most.
        limit_ns: looks for a larger holder no longer than this.
        clock: nanoseconds of a monotonic clock.
    """
    deadline = clock() + limit_ns
    for fits in (_near(size_bytes), None) if size_bytes else (None,):
        found = _tracked(kind, fits, number + 1) or _untracked(kind, fits, number + 1, lambda: clock() > deadline)
        if found:
            return [*found[1:], found[0]][:number]
    return []


def _near(size_bytes: float) -> Callable[[Any], bool]:
    return lambda thing: size_bytes / _NEAR <= getsizeof(thing, 0) <= size_bytes * _NEAR


def _tracked(kind: str, fits: Callable[[Any], bool] | None, number: int) -> list[Example]:
    found: list[Example] = []
    for generation in range(3):  # the youngest generation first; in each, the newest object comes last
        for thing in reversed(gc.get_objects(generation)):
            if type_is(thing, kind) and (fits is None or fits(thing)):
                found.append(Example((thing,)))
                if len(found) == number:
                    return found
    return found


def _untracked(
    kind: str, fits: Callable[[Any], bool] | None, number: int, is_late: Callable[[], bool]
) -> list[Example]:
    """Return examples from the object that refers to the most of them, directly or through untracked objects.

    Large objects, which may refer to many, are looked at first.
    """
    best: list[Example] = []
    for container in sorted(gc.get_objects(), key=size_or_zero, reverse=True):
        if type(container) is FrameType or type(container) is ModuleType or _is_ours(container):
            continue
        for path, things in untracked_below(container):
            inside = [thing for thing in things if type_is(thing, kind) and (fits is None or fits(thing))]
            if len(inside) > len(best):
                best = [Example((*path, thing)) for thing in inside]
        if is_late():
            break
    return best[: -number - 1 : -1]


def type_is(thing: Any, kind: str) -> bool:
    """Return whether the object's type has that name; the short name is compared first, which is far cheaper."""
    own = type(thing)
    return kind.endswith(own.__name__) and type_name(own) == kind


def chain_to(example: Example, limit_ns: int, clock: Callable[[], int] = perf_counter_ns) -> ReferenceChain:
    """Find the shortest chain of references that keeps an object alive.

    The search goes up from the object, one step of all chains at a time: a single walk over the heap finds all that
    refer to any of the objects at one distance. Running functions and the tracer's own modules are left out.

    Args:
        example: the object.
        limit_ns: gives up after this time; one step of the search, a walk over the heap, is always made.
        clock: nanoseconds of a monotonic clock.
    """
    thing = example.path[0]
    below: dict[int, Any] = {id(thing): None}  # what each object found refers to, on the way down to the thing
    level = [thing]
    circle: Any = None
    deadline = clock() + limit_ns
    ours = {id(example), id(example.path), id(below)}
    for _ in range(_DEEPEST):
        ours.add(id(level))
        above: list[Any] = []
        ours.add(id(above))
        targets = {id(target): target for target in level}
        ours.add(id(targets))
        found = gc.get_referrers(*level)
        for referrer in found:
            if id(referrer) in ours or type(referrer) is FrameType or _is_own(referrer):
                continue
            if id(referrer) in below and referrer is not thing:
                continue
            target = next((target for target in referents(referrer) if id(target) in targets), None)
            if target is None:
                continue
            if referrer is thing:
                circle = circle or target
                continue
            below[id(referrer)] = target
            if type(referrer) is ModuleType and _is_imported(referrer):
                return ReferenceChain(MODULE, describe(_downwards(referrer, below, example)), "")
            above.append(referrer)
        del found
        if not above:
            break
        level = above
        if clock() > deadline or len(level) > _WIDEST:
            note = "the search took too long: too many objects lead to it"
            return ReferenceChain(NOT_FOUND, describe([example.path[-1]]), note)
    if circle is not None:
        chain = _downwards(circle, below, example)
        # `circle` refers to nothing but what leads to the thing; the thing refers to it.
        return ReferenceChain(CYCLE, describe([thing, *chain]), _finaliser(chain))
    return ReferenceChain(UNSEEN, describe(_downwards(level[0], below, example)), "")


def _downwards(top: Any, below: dict[int, Any], example: Example) -> list[Any]:
    """Return the chain from an object that the search found down to the example."""
    chain, current = [], top
    while current is not None:
        chain.append(current)
        current = below[id(current)]
    return [*chain, *example.path[1:]]


def _is_imported(module: ModuleType) -> bool:
    name = ModuleType.__getattribute__(module, "__dict__").get("__name__")
    return type(name) is str and sys.modules.get(name) is module


def _is_own(referrer: Any) -> bool:
    """Return whether an object is a module of the tracer's, or its namespace."""
    namespace = ModuleType.__getattribute__(referrer, "__dict__") if type(referrer) is ModuleType else referrer
    if type(namespace) is not dict or "__spec__" not in namespace:
        return False
    name = namespace.get("__name__")
    return type(name) is str and name.partition(".")[0] == _OWN


def _is_ours(container: Any) -> bool:
    """Return whether an object is one of the tracer's, or a function or the namespace of its code."""
    if type(container) is FunctionType:
        name = container.__module__
        return type(name) is str and name.partition(".")[0] == _OWN
    return type_name(type(container)).startswith(f"{_OWN}.") or _is_own(container)


def _finaliser(circle: list[Any]) -> str:
    names = sorted({type_name(type(thing)) for thing in circle if hasattr(type(thing), "__del__")})
    return f"{', '.join(names)} has a __del__" if names else ""
