"""Has workers that multiprocessing spawns join the session, though their program does not import this package.

A spawned worker first unpickles what its parent has prepared for it. An object is added there whose unpickling imports
this package, which joins the session by itself. So the imports of the worker's program are traced too. It brings what
the session has put into the parent's environment: the server of multiprocessing's method "forkserver" keeps that of the
moment when it was started, perhaps in an earlier session.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

_SPAWN = "multiprocessing.spawn"
_KEY = "fwmemtrace"  # among what is prepared; workers ignore keys that they do not know
_ORIGINAL = "_without_fwmemtrace"


def follow_spawned_workers(variable: str) -> None:
    """Add to what parents prepare for spawned workers from now on.

    Args:
        variable: the variable of the environment by which workers find the session; nothing is added without it.
    """
    spawn = sys.modules.get(_SPAWN)
    if spawn is not None:
        _patch(spawn, variable)
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder(variable))


def forget_spawned_workers() -> None:
    """Undo what `follow_spawned_workers` has done, unless other code has changed it since."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    spawn: Any = sys.modules.get(_SPAWN)
    original = getattr(getattr(spawn, "get_preparation_data", None), _ORIGINAL, None)
    if original is not None:
        spawn.get_preparation_data = original


class _Finder:
    """Patches the module when it is imported, and is gone then."""

    def __init__(self, variable: str) -> None:
        self._variable = variable

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != _SPAWN:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
            spec.loader.variable = self._variable
        return spec


class _Loader(SourceFileLoader):
    variable: str

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        _patch(module, self.variable)


def _patch(spawn: ModuleType, variable: str) -> None:
    import os

    prepare = getattr(spawn, "get_preparation_data", None)
    if prepare is None or hasattr(prepare, _ORIGINAL):
        return

    def get_preparation_data(name: str) -> dict[str, Any]:
        data: dict[str, Any] = prepare(name)
        if variable in os.environ:
            data[_KEY] = _Joining(variable, os.environ[variable])
        return data

    setattr(get_preparation_data, _ORIGINAL, prepare)
    spawn.get_preparation_data = get_preparation_data  # type: ignore[attr-defined]


class _Joining:
    """Unpickling it imports this package; where that is impossible, the worker continues without it."""

    def __init__(self, variable: str, value: str) -> None:
        self._variable = variable
        self._value = value

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (_JOIN, {"variable": self._variable, "value": self._value})


# Plain source: a worker whose path lacks this package must be able to unpickle it too.
_JOIN = (
    "[__import__('os').environ.__setitem__(variable, value),"
    " __import__('importlib.util').util.find_spec('fwmemtrace')"
    " and __import__('fwmemtrace.recording.switch').recording.switch.join_parent()]"
)
