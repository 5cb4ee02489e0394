"""Tells which phase a thread goes on in when asyncio switches tasks.

The phase is a context variable, and every step of a task runs in the task's own context, by way of `asyncio.Handle`. So
its `_run` is wrapped while a session is on. Event loops with handles of their own (uvloop) do not pass here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ...tracing.span import Span, current


class TaskSwitches:
    """Wraps `asyncio.events.Handle._run`, once asyncio is imported.

    Args:
        mark: told which phase the calling thread goes on in.
    """

    def __init__(self, mark: Callable[[Span | None], None]) -> None:
        self._mark = mark
        self._handle: Any = None
        self._original: Any = None
        self._wrapper: Any = None

    def look(self) -> None:
        """Wrap it if asyncio was imported by now."""
        if self._handle is not None or (events := sys.modules.get("asyncio.events")) is None:
            return
        handle = getattr(events, "Handle", None)  # a module that is still being imported has none yet
        if handle is None:
            return
        mark, original, get = self._mark, handle._run, current.get

        def _run(handle: Any) -> Any:
            mark(handle._context.get(current))
            try:
                return original(handle)
            finally:
                # Outside of the handle's context: what the loop itself does belongs to whoever runs the loop.
                mark(get())

        self._handle, self._original, self._wrapper = handle, original, _run
        handle._run = _run

    @property
    def foreign_loop(self) -> str | None:
        """The name of an imported event loop whose tasks cannot be followed, if there is one."""
        return "uvloop" if "uvloop" in sys.modules else None

    def stop(self) -> None:
        """Put the original back, unless somebody else wrapped it since."""
        if self._handle is not None and self._handle._run is self._wrapper:
            self._handle._run = self._original
        self._handle = None
