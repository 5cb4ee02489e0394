"""Describes a chain of references as a program would write it: `.cache`, `['key']`, `[3]`.

No object's value gets into a description: only types, names of attributes and variables, positions, and keys of dicts
that are identifiers.
"""

from __future__ import annotations

from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

from ..records import HolderStep
from .census import type_name
from .referents import referents
from .storages import library_of

_LONGEST_KEY = 40  # characters
_UNKNOWN_KEY = "[...]"


def describe(chain: list[Any]) -> list[HolderStep]:
    """Describe a chain of objects: each one's type, its name if it has one, and how the one before refers to it.

    The dictionary of a module, class or instance, and what lies between a function and the variables that it closes
    over, are how Python stores an attribute or a variable, so they are described as one.
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
        namespace = object.__getattribute__(source, "__dict__")
    except AttributeError:
        return None
    if isinstance(source, type):  # a class shows only a view of its namespace
        [namespace] = referents(type.__dict__["__dict__"].__get__(source)) or [None]
    return namespace


def _closure(function: Any, cell: Any) -> str:
    for name, candidate in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        if candidate is cell:
            return f" variable {name}"
    return " variable"


def _link(source: Any, thing: Any) -> str:
    """Describe how one object refers to another."""
    if isinstance(source, dict):
        return _key(source, thing, attribute=False)
    if isinstance(source, (list, tuple)):
        for number, item in enumerate(source):
            if item is thing:
                return f"[{number}]"
    if library_of(type(source)) == "numpy" and source.base is thing:
        return ".base"
    if isinstance(source, MethodType):
        return ".__self__" if source.__self__ is thing else ".__func__"
    if isinstance(source, CellType):
        return " variable"
    namespace = _namespace(source)
    if isinstance(namespace, dict):
        key = _key(namespace, thing, attribute=True)
        if key != _UNKNOWN_KEY:
            return key
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
    return _UNKNOWN_KEY
