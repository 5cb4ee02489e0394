"""Watches which modules a component uses: functions that it calls, and module attributes that it reads.

What happens during an import does not count as use. Watching slows the program down many times, so it has a pass of its
own, from which no other figure is taken.
"""

from __future__ import annotations

import importlib
import sys
import threading
from types import CodeType, FrameType, ModuleType
from typing import Any

_TOOL = 4  # an id of sys.monitoring; 0, 1, 2 and 5 are reserved for known tools
_bootstrap: Any = importlib._bootstrap


class _Importing(threading.local):
    """The number of imports that the current thread is inside."""

    depth = 0


class Usage:
    """Watches a block: `with Usage() as usage: ...`; then call `ran()` and `read()`."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._modules: set[str] = set()
        self._read: set[str] = set()
        self._watched: list[ModuleType] = []
        self._importing = _Importing()
        self._watched_class = self._make_watched_class()

    def __enter__(self) -> Usage:
        self._load = _bootstrap._load_unlocked
        _bootstrap._load_unlocked = self._load_module
        self.watch_modules()
        if hasattr(sys, "monitoring"):
            self._monitor()
        else:
            threading.setprofile(self._profile)
            sys.setprofile(self._profile)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if hasattr(sys, "monitoring"):
            monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
            monitoring.set_events(_TOOL, 0)
            monitoring.free_tool_id(_TOOL)
        else:
            sys.setprofile(None)
            threading.setprofile(None)
        for module in self._watched:
            if type(module) is self._watched_class:
                module.__class__ = ModuleType
        _bootstrap._load_unlocked = self._load

    def ran(self) -> list[str]:
        """Returns the modules of which a function was called."""
        by_file = {vars(module).get("__file__"): name for name, module in list(sys.modules.items()) if _plain(module)}
        called = {by_file[file] for file in self._files if file in by_file}
        return sorted(called | {name for name in self._modules if name in sys.modules})

    def read(self) -> list[str]:
        """Returns the modules of which an attribute was read."""
        return sorted(self._read)

    def watch_modules(self) -> None:
        """Begins to watch reads of every plain module imported so far: a module may be used for its data only."""
        for module in list(sys.modules.values()):
            if type(module) is ModuleType:
                try:
                    module.__class__ = self._watched_class
                except TypeError:  # a module that forbids it
                    continue
                self._watched.append(module)

    def _make_watched_class(self) -> type[ModuleType]:
        read, importing, plain = self._read, self._importing, ModuleType.__getattribute__

        class Watched(ModuleType):
            def __getattribute__(self, name: str) -> Any:
                if not name.startswith("__") and not importing.depth:  # inspection reads dunder names of every module
                    read.add(plain(self, "__name__"))
                return plain(self, name)

        return Watched

    def _load_module(self, spec: Any) -> Any:
        self._importing.depth += 1
        try:
            return self._load(spec)
        finally:
            self._importing.depth -= 1

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if self._importing.depth:
            return
        if event == "call":
            self._files.add(frame.f_code.co_filename)
        elif event == "c_call":
            self._c_call(argument)

    def _c_call(self, function: Any) -> None:
        module = getattr(function, "__module__", None)
        if not isinstance(module, str):  # a method of a type written in C
            owner = getattr(function, "__self__", None)
            module = getattr(owner if isinstance(owner, type) else type(owner), "__module__", None)
        if isinstance(module, str):
            self._modules.add(module)

    def _monitor(self) -> None:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
        monitoring.use_tool_id(_TOOL, "fwmemtrace")

        def started(code: CodeType, offset: int) -> Any:
            if self._importing.depth:
                return None
            self._files.add(code.co_filename)
            return monitoring.DISABLE  # once for each code object is enough

        def called(code: CodeType, offset: int, function: Any, argument: Any) -> None:
            if not self._importing.depth and not hasattr(function, "__code__"):
                self._c_call(function)

        monitoring.register_callback(_TOOL, monitoring.events.PY_START, started)
        monitoring.register_callback(_TOOL, monitoring.events.CALL, called)
        monitoring.set_events(_TOOL, monitoring.events.PY_START | monitoring.events.CALL)
        monitoring.restart_events()  # those that an earlier watch disabled


def _plain(module: Any) -> bool:
    return isinstance(module, ModuleType)
