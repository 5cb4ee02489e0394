"""Finds what keeps an object alive: the shortest chain of references to it from a module, with objgraph."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from itertools import filterfalse
from time import perf_counter_ns
from types import CellType, FrameType, FunctionType
from typing import Any, NamedTuple

from ..records import HolderStep
from .census import type_name
from .chain_steps import describe
from .referents import referents

MODULE, CYCLE, UNSEEN, NOT_FOUND = "module", "cycle", "unseen", ""
_DEEPEST = 20  # steps of a chain
_CYCLES_TRIED = 3


class ReferenceChain(NamedTuple):
    """The chain that keeps an object alive."""

    root: str  # MODULE, CYCLE, UNSEEN or NOT_FOUND
    steps: list[HolderStep]  # from the root to the object
    note: str


class _OutOfTimeError(Exception):
    """The search takes longer than it may."""


def newest(kind: str) -> Any:
    """Return an object of the type with that name, or None if there is none.

    It is one of the youngest that the collector tracks; the collector's lists are in the order of age only until it has
    gone through them. Of an untracked type, it is one from the container with the most of them.
    """
    for generation in range(3):  # the youngest generation first; in each, the newest object comes last
        for thing in reversed(gc.get_objects(generation)):
            if type_name(type(thing)) == kind:
                return thing
    best: tuple[int, Any] = (0, None)
    for container in gc.get_objects():
        if type(container) is FrameType:
            continue
        inside = [thing for thing in filterfalse(gc.is_tracked, referents(container)) if type_is(thing, kind)]
        if len(inside) > best[0]:
            best = (len(inside), inside[0])
    return best[1]


def type_is(thing: Any, kind: str) -> bool:
    """Tell whether the object's type has that name; the short name is compared first, which is far cheaper."""
    own = type(thing)
    return kind.endswith(own.__name__) and type_name(own) == kind


def chain_to(thing: Any, limit_ns: int, clock: Callable[[], int] = perf_counter_ns) -> ReferenceChain:
    """Find the shortest chain of references that keeps an object alive.

    Args:
        thing: the object. The caller's own references to it must be local variables, which the search does not see.
        limit_ns: gives up after this time; one step of the search, a walk over the heap, is always made.
        clock: nanoseconds of a monotonic clock.

    Raises:
        ImportError: if objgraph is not installed.
    """
    import objgraph

    deadline = clock() + limit_ns

    def within_time(wanted: Callable[[Any], bool]) -> Callable[[Any], bool]:
        def predicate(candidate: Any) -> bool:
            if clock() > deadline:
                raise _OutOfTimeError
            return wanted(candidate)

        return predicate

    try:
        chain = objgraph.find_backref_chain(thing, within_time(objgraph.is_proper_module), _DEEPEST)
        if len(chain) > 1:
            return ReferenceChain(MODULE, describe(chain), "")
        circle = _circle(thing, within_time(lambda candidate: candidate is thing))
        if circle:
            return ReferenceChain(CYCLE, describe([*circle, thing]), _finaliser(circle))
    except _OutOfTimeError:
        return ReferenceChain(NOT_FOUND, describe([thing]), "the search took too long: too many objects lead to it")
    del chain, circle  # they refer to the object, too
    return ReferenceChain(UNSEEN, describe(_upwards(thing)), "")


def _circle(thing: Any, is_thing: Callable[[Any], bool]) -> list[Any]:
    """Return the object and what it refers to, up to what refers to it; empty if it is in no such circle."""
    import objgraph

    for referrer in _referrers(thing)[:_CYCLES_TRIED]:
        chain: list[Any] = objgraph.find_backref_chain(referrer, is_thing, _DEEPEST)
        if chain[0] is thing:
            return chain
    return []


def _referrers(thing: Any) -> list[Any]:
    here = sys._getframe()
    return [
        referrer
        for referrer in gc.get_referrers(thing)
        if type(referrer) is not FrameType and referrer is not here and type(referrer) is not CellType
    ] or [referrer for referrer in gc.get_referrers(thing) if type(referrer) is CellType and not _is_own(referrer)]


def _is_own(cell: Any) -> bool:
    """Tell whether a cell is a variable of a function in this module."""
    for owner in gc.get_referrers(cell):
        for function in gc.get_referrers(owner) if type(owner) is tuple else []:
            if type(function) is FunctionType and function.__module__ == __name__:
                return True
    return False


def _upwards(thing: Any) -> list[Any]:
    """Return a chain upwards, to an object that nothing the collector tracks refers to."""
    chain, seen = [thing], {id(thing)}
    while len(chain) < _DEEPEST:
        above = [referrer for referrer in _referrers(chain[0]) if id(referrer) not in seen and referrer is not chain]
        if not above:
            break
        chain.insert(0, above[0])
        seen.add(id(above[0]))
        del above
    return chain


def _finaliser(circle: list[Any]) -> str:
    names = sorted({type_name(type(thing)) for thing in circle if hasattr(type(thing), "__del__")})
    return f"{', '.join(names)} has a __del__" if names else ""
