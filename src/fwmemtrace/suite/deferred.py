"""Puts the import of named modules off until something is read from them, to measure what that saves.

The standard library's LazyLoader loads a module as soon as it is imported a second time, since that reads its
`__spec__`; here only what a program reads counts, and whatever lies below the modules named is put off with them.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

from ..records import SuiteDeferred

_TELLING = frozenset({"__all__", "__doc__", "__getattr__", "__version__"})  # of the dunder names, what a program reads


class Deferral:
    """An import hook for the modules named.

    Args:
        names: modules, with their full dotted names.
        where: tells the present phase, asked when one of them is loaded after all.

    Attributes:
        put_off: modules of those named that were imported, and put off.
        loaded: modules of those that were loaded after all, and in which phase.
    """

    def __init__(self, names: Sequence[str], where: Callable[[], str]) -> None:
        self.names = frozenset(names)
        self.put_off: set[str] = set()
        self.loaded: dict[str, str] = {}
        self._where = where

    def install(self) -> None:
        """Begin to put imports off."""
        sys.meta_path.insert(0, self)

    def told(self) -> SuiteDeferred:
        """What came of it."""
        return SuiteDeferred(sorted(self.names), self.loaded, sorted(self.put_off))

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the import system asks first; see importlib.abc.MetaPathFinder."""
        root = self._root_of(name)
        if root is None or root in self.loaded:  # what a package imports while it is loaded, it wants in its order
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        self.put_off.add(root)
        loader: Any = _LaterLoader(spec.loader, lambda: self.loaded.setdefault(root, self._where()))
        spec.loader = loader
        return spec

    def _root_of(self, name: str) -> str | None:
        while name:
            if name in self.names:
                return name
            name = name.rpartition(".")[0]
        return None


class _LaterLoader:
    """Makes the module at once, and runs its code when it is first read."""

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
        module.__class__ = _Later

    def load(self, module: ModuleType) -> None:
        """Run the module's code now."""
        with self._lock:
            if type(module) is not _Later:
                return
            self._loading()
            module.__class__ = ModuleType  # type: ignore[assignment]
            spec = module.__spec__
            if spec is not None:
                spec.loader, spec.loader_state = self._real, None
            module.__loader__ = self._real
            self._real.exec_module(module)


class _Later(ModuleType):
    """A module whose code has not run yet."""

    def __getattribute__(self, name: str) -> Any:
        plain = ModuleType.__getattribute__
        if (name.startswith("__") and name not in _TELLING) or (name in plain(self, "__dict__") and name != "__doc__"):
            return plain(self, name)
        plain(self, "__spec__").loader_state.load(self)
        return getattr(self, name)
