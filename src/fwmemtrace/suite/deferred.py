"""Defers the import of named modules until one of their attributes is read, to measure what that saves.

The standard library's LazyLoader loads a module when it is imported a second time, since the import system reads its
`__spec__`. Here only reads by the program count, and the submodules of a named module are deferred with it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

from ..records import SuiteDeferred

_READ_BY_PROGRAMS = frozenset({"__all__", "__doc__", "__getattr__", "__version__"})  # dunder names


class Deferral:
    """An import hook that defers some modules.

    Args:
        names: full names of the modules.
        where: returns the current phase; called when one of them is loaded after all.

    Attributes:
        put_off: the named modules whose import was deferred.
        loaded: those of them that were loaded after all, with the phase.
    """

    def __init__(self, names: Sequence[str], where: Callable[[], str]) -> None:
        self.names = frozenset(names)
        self.put_off: set[str] = set()
        self.loaded: dict[str, str] = {}
        self._where = where

    def install(self) -> None:
        """Begin to defer imports."""
        sys.meta_path.insert(0, self)

    def record(self) -> SuiteDeferred:
        """Return which modules were deferred, and which were loaded after all."""
        return SuiteDeferred(sorted(self.names), self.loaded, sorted(self.put_off))

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module before the import system does; see importlib.abc.MetaPathFinder."""
        root = self._root_of(name)
        if root is None or root in self.loaded:  # a package that is being loaded imports its parts in its own order
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        self.put_off.add(root)
        loader: Any = _DeferredLoader(spec.loader, lambda: self.loaded.setdefault(root, self._where()))
        spec.loader = loader
        return spec

    def _root_of(self, name: str) -> str | None:
        while name:
            if name in self.names:
                return name
            name = name.rpartition(".")[0]
        return None


class _DeferredLoader:
    """Makes the module immediately, and runs its code when an attribute is first read."""

    def __init__(self, real: SourceFileLoader, loading: Callable[[], object]) -> None:
        self._real = real
        self._loading = loading
        self._lock = threading.RLock()

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None:
            spec.loader_state = self
        module.__class__ = _DeferredModule

    def load(self, module: ModuleType) -> None:
        """Run the module's code."""
        with self._lock:
            if type(module) is not _DeferredModule:
                return
            self._loading()
            module.__class__ = ModuleType  # type: ignore[assignment]
            spec = module.__spec__
            if spec is not None:
                spec.loader, spec.loader_state = self._real, None
            module.__loader__ = self._real
            self._real.exec_module(module)


class _DeferredModule(ModuleType):
    """A module whose code has not run yet."""

    def __getattribute__(self, name: str) -> Any:
        plain = ModuleType.__getattribute__
        if (name.startswith("__") and name not in _READ_BY_PROGRAMS) or (
            name in plain(self, "__dict__") and name != "__doc__"
        ):
            return plain(self, name)
        plain(self, "__spec__").loader_state.load(self)
        return getattr(self, name)
