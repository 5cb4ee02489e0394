"""Returns what objects refer to, as the garbage collector sees it, without a crash of CPython's.

In Python 3.12.0 to 3.12.5 (gh-122695) the module `_asyncio` presents freed memory that it keeps for future objects as
if it were objects. `gc.get_referents` returns them, dropping them frees them a second time, and the program crashes a
while later. So that module is left out there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from gc import get_referents
from types import ModuleType
from typing import Any


def for_version(version: tuple[int, ...]) -> Callable[..., list[Any]]:
    """Return the function to use in that version of Python; it has the signature of `gc.get_referents`."""
    return _without_asyncio if (3, 12) <= version < (3, 12, 6) else get_referents


def _without_asyncio(*things: Any) -> list[Any]:
    return get_referents(*[thing for thing in things if type(thing) is not ModuleType or not _is_asyncio(thing)])


def _is_asyncio(module: ModuleType) -> bool:
    name = ModuleType.__getattribute__(module, "__dict__").get("__name__")
    return type(name) is str and name == "_asyncio"


referents = for_version(sys.version_info[:3])
