"""A page with the report of the process so far. It is off unless an application adds it, and says who may see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..recording.switch import current_session
from ..trace import read


class DebugPage:
    """The debug page.

    Args:
        allow: returns whether a request may see the page, given its ASGI scope or WSGI environ. Others get a 404.
        path: where the page is.
    """

    def __init__(self, allow: Callable[[Any], bool], path: str = "/-/memory") -> None:
        if not callable(allow):
            raise TypeError(f"DebugPage(allow={allow!r}): it must be a function that returns whether to show the page")
        self.path = path
        self._allow = allow

    def allow(self, request: Any) -> bool:
        """Return whether a request may see the page: only if the function returns True itself."""
        return self._allow(request) is True

    def content_type(self, status: int) -> str:
        """Return the type of what `render` returned."""
        return "text/html; charset=utf-8" if status == 200 else "text/plain; charset=utf-8"

    def render(self, query: str = "") -> tuple[int, bytes]:
        """Return the status and the body of the response. Reading the trace takes a moment.

        Args:
            query: the query string. With the key `snapshot`, a snapshot is taken first.
        """
        session = current_session()
        if session is None or session.path is None:
            return 503, b"fwmemtrace writes no trace file in this process: start a session with a path"
        from urllib.parse import parse_qs

        if "snapshot" in parse_qs(query, keep_blank_values=True):
            session.snapshot(f"{self.path}?snapshot")
        try:
            return 200, read(session.path).report("html").encode("utf-8", "backslashreplace")
        except Exception as error:
            return 500, f"the trace cannot be read: {error!r}".encode("utf-8", "backslashreplace")
