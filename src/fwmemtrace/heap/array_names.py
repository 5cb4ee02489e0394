"""Names numpy arrays by what refers to them: a variable, an attribute, a key."""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection
from typing import Any

from .local_variables import local_variables
from .referents import referents
from .storages import storages_of


def names_of_arrays(addresses: Collection[int]) -> dict[int, str]:
    """Return what the program calls the arrays whose storages are at these addresses.

    Returns:
        By address, such as "app.CACHE", "weights" or "in a list"; arrays that nothing refers to are missing.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "ndarray"):
        return {}
    modules = {id(vars(module)): name for name, module in list(sys.modules.items()) if hasattr(module, "__dict__")}
    names: dict[int, str] = {}
    seen: set[int] = set()
    # The collector tracks neither arrays nor a dict or tuple of nothing else: what refers to them is searched.
    waiting: list[Any] = [*gc.get_objects(), *local_variables()]
    while waiting:
        holder = waiting.pop()
        for thing in referents(holder):
            kind = type(thing)
            if issubclass(kind, numpy.ndarray):
                for storage in storages_of(thing):
                    if storage.address in addresses:
                        names.setdefault(storage.address, _name_in(holder, thing, modules))
            elif kind in (dict, tuple) and not gc.is_tracked(thing) and id(thing) not in seen:
                seen.add(id(thing))
                waiting.append(thing)
    return names


def _name_in(holder: Any, thing: Any, modules: dict[int, str]) -> str:
    if isinstance(holder, dict):
        for key, value in holder.items():
            if value is thing and isinstance(key, str):
                module = modules.get(id(holder))
                return key if module is None else f"{module}.{key}"
    return f"in a {type(holder).__qualname__}"
