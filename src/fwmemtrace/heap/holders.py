"""What keeps an object alive: the shortest chain of references to it from a module, through objgraph.

The objects' values are never read into a record: types, names of attributes and variables, and positions are, and keys
of dicts where they are identifiers.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from itertools import filterfalse
from time import perf_counter_ns
from types import CellType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from ..records import HolderStep
from .census import type_name
from .referents import referents

MODULE, CYCLE, UNSEEN, NOT_FOUND = "module", "cycle", "unseen", ""
_DEEPEST = 20
_LONGEST_KEY = 40
_CYCLES_TRIED = 3


class Chain(NamedTuple):
    """What was found."""

    root: str  # MODULE, CYCLE, UNSEEN or NOT_FOUND
    steps: list[HolderStep]  # from the root to the object
    note: str


class _OutOfTime(Exception):  # noqa: N818
    """The search takes longer than it may."""


def newest(kind: str) -> Any:
    """An object of the type of that name, among the youngest that the collector knows; None if there is none.

    The collector's lists are in the order of age only until it has gone through them. Of a type that it does not track,
    one that lies in the container with the most of them.
    """
    for generation in range(3):  # the youngest first, and in each the last one came last
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
    """Whether the thing's type has that name; the short name is compared first, which is far cheaper."""
    found = type(thing)
    return kind.endswith(found.__name__) and type_name(found) == kind


def chain_to(thing: Any, limit_ns: int, clock: Callable[[], int] = perf_counter_ns) -> Chain:
    """The shortest chain of references that keeps the thing alive.

    Args:
        thing: the object. The caller's own references to it must be local variables, which no search sees.
        limit_ns: when to give up; one step of the search, a walk over the heap, is always made.
        clock: nanoseconds of a monotonic clock.

    Raises:
        ImportError: if objgraph is not installed.
    """
    import objgraph

    over = clock() + limit_ns

    def found(wanted: Callable[[Any], bool]) -> Callable[[Any], bool]:
        def predicate(candidate: Any) -> bool:
            if clock() > over:
                raise _OutOfTime
            return wanted(candidate)

        return predicate

    try:
        chain = objgraph.find_backref_chain(thing, found(objgraph.is_proper_module), _DEEPEST)
        if len(chain) > 1:
            return Chain(MODULE, describe(chain), "")
        circle = _circle(thing, found(lambda candidate: candidate is thing))
        if circle:
            return Chain(CYCLE, describe([*circle, thing]), _finaliser(circle))
    except _OutOfTime:
        return Chain(NOT_FOUND, describe([thing]), "the search was given up: too many objects lead to it")
    del chain, circle  # they refer to the thing, too
    return Chain(UNSEEN, describe(_upwards(thing)), "")


def _circle(thing: Any, is_thing: Callable[[Any], bool]) -> list[Any]:
    """The thing and what it refers to, up to what refers to it; empty if it is in no such circle."""
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
    ] or [referrer for referrer in gc.get_referrers(thing) if type(referrer) is CellType and not _is_ours(referrer)]


def _is_ours(cell: Any) -> bool:
    """Whether a cell is a variable of a function in this module."""
    for owner in gc.get_referrers(cell):
        for function in gc.get_referrers(owner) if type(owner) is tuple else []:
            if type(function) is FunctionType and function.__module__ == __name__:
                return True
    return False


def _upwards(thing: Any) -> list[Any]:
    """Some chain upwards, to where nothing that the collector knows refers to any more."""
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


def describe(chain: list[Any]) -> list[HolderStep]:
    """A chain of objects in words: each one's type, its name if it has one, and how the one before refers to it.

    The dictionary of a module, class or instance, and what lies between a function and the variables that it closes
    over, are the program's way of writing an attribute or a variable, and are written so.
    """
    steps: list[HolderStep] = []
    source: Any = None
    link = ""
    position = 0
    while position < len(chain):
        thing = chain[position]
        following = chain[position + 1] if position + 1 < len(chain) else None
        if source is not None:
            if following is not None and _is_namespace(source, thing):
                steps.append(_step(following, _key(thing, following, attribute=True)))
                source, position = following, position + 2
                continue
            closure = following is not None and thing is getattr(source, "__closure__", None)
            cell = following if closure else thing
            if type(source) is FunctionType and type(cell) is CellType:
                position = chain.index(cell, position) + 1
                if position < len(chain):
                    steps.append(_step(chain[position], _closure(source, cell)))
                    source, position = chain[position], position + 1
                continue
            link = _link(source, thing)
        steps.append(_step(thing, link))
        source, position = thing, position + 1
    return steps


def _step(thing: Any, link: str) -> HolderStep:
    name = ""
    if isinstance(thing, (ModuleType, FunctionType, type)):
        name = str(getattr(thing, "__qualname__", None) or getattr(thing, "__name__", ""))
    return HolderStep(type_name(type(thing)), link, name)


def _is_namespace(source: Any, thing: Any) -> bool:
    return type(thing) is dict and _namespace(source) is thing


def _namespace(source: Any) -> Any:
    try:
        found = object.__getattribute__(source, "__dict__")
    except AttributeError:
        return None
    if isinstance(source, type):  # what a class shows is a view of it
        [found] = referents(type.__dict__["__dict__"].__get__(source)) or [None]
    return found


def _closure(function: Any, cell: Any) -> str:
    for name, candidate in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        if candidate is cell:
            return f" variable {name}"
    return " variable"


def _link(source: Any, thing: Any) -> str:
    """How one object refers to another, as a program would write it."""
    if isinstance(source, dict):
        return _key(source, thing, attribute=False)
    if isinstance(source, (list, tuple)):
        for number, item in enumerate(source):
            if item is thing:
                return f"[{number}]"
    if isinstance(source, MethodType):
        return ".__self__" if source.__self__ is thing else ".__func__"
    if isinstance(source, CellType):
        return " variable"
    namespace = _namespace(source)
    if isinstance(namespace, dict):
        found = _key(namespace, thing, attribute=True)
        if found != "[...]":
            return found
    for kind in type(source).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            try:
                if object.__getattribute__(source, slot) is thing:
                    return f".{slot}"
            except AttributeError:
                continue
    return " refers to"


def _key(namespace: Any, thing: Any, *, attribute: bool) -> str:
    for key, value in list(dict.items(namespace)):
        if value is thing:
            if type(key) is str and key.isidentifier() and len(key) <= _LONGEST_KEY:
                return f".{key}" if attribute else f"[{key!r}]"
            return f"[a {type_name(type(key)).removeprefix('builtins.')}]"
        if key is thing:
            return " key"
    return "[...]"
