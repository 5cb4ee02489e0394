"""Packages whose names are loaded when they are first used."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def load_when_used(
    package: str, names: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns the functions `__getattr__` and `__dir__` of a package.

    The package assigns them where type checkers do not look, in the `else` of its `if TYPE_CHECKING`: they see the real
    imports there, and no name that does not exist.

    Args:
        package: its `__name__`.
        names: for each module, relative to the package, the names that the package takes from it.
    """
    module_of = {name: f"{package}.{module}" for module, taken in names.items() for name in taken}

    def load(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        __import__(module_of[name])
        value = getattr(sys.modules[module_of[name]], name)
        setattr(sys.modules[package], name, value)
        return value

    def public_names() -> list[str]:
        return sorted(sys.modules[package].__all__)

    return load, public_names
