"""Follows asyncio's task switches, each of which may take a thread into another phase.

The phase is a context variable, and every step of a task runs in the task's own context, through `asyncio.Handle`. So
its `_run` is wrapped while a session is on. Event loops with handles of their own (uvloop) cannot be followed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ..tracing.span import Span, current


class TaskSwitches:
    """Wraps `asyncio.events.Handle._run`, once asyncio is imported.

    Args:
        switched: called with the span in which the calling thread continues.
    """

    def __init__(self, switched: Callable[[Span | None], None]) -> None:
        self._switched = switched
        self._handle: Any = None
        self._original: Any = None
        self._wrapper: Any = None

    def follow(self) -> None:
        """Wrap it if asyncio has been imported."""
        if self._handle is not None or (events := sys.modules.get("asyncio.events")) is None:
            return
        handle = getattr(events, "Handle", None)  # a module that is still being imported has none yet
        if handle is None:
            return
        switched, original, get = self._switched, handle._run, current.get

        def _run(handle: Any) -> Any:
            switched(handle._context.get(current))
            try:
                return original(handle)
            finally:
                # Outside the handle's context: the loop's own work belongs to the phase that runs the loop.
                switched(get())

        self._handle, self._original, self._wrapper = handle, original, _run
        handle._run = _run

    def unseen(self) -> str | None:
        """Return a note about tasks that cannot be followed; None if there are none."""
        if "uvloop" not in sys.modules:
            return None
        return (
            "task switches of the event loop uvloop are not visible: what a task allocates counts toward the phase "
            "that began or ended last in its thread"
        )

    def stop(self) -> None:
        """Restore the original, unless other code has wrapped it since."""
        if self._handle is not None and self._handle._run is self._wrapper:
            self._handle._run = self._original
        self._handle = None
