"""Phases of requests: how they are named, and what ends them."""

from __future__ import annotations

from collections.abc import Sequence

from ..tracing.active import installed
from ..tracing.decorators import Suspension
from ..tracing.phases import Phase, annotate, phase

# Anyone may send a method of their own; a name for each would fill the table of phases.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "WEBSOCKET"})
NO_ROUTE = "(no route)"


def request_name(method: str, route: str | None) -> str:
    """Return the name of a request's phase, such as "GET /users/{id}": never one for each URL.

    Args:
        method: of HTTP, or "WEBSOCKET".
        route: the template of the route that serves it; None if no route does, or if that is not known.
    """
    return f"{method if method in _METHODS else 'OTHER'} {route or NO_ROUTE}"


def request_phase(method: str, route: str | None) -> Phase:
    """Return the phase of one request, with the method as an attribute; the status is added at its end."""
    return phase(request_name(method, route), method=method)


class OpenRequest:
    """A request whose response is sent in parts. Its phase is current only while the application works on it.

    What a server or a test client does between two parts, such as the next request, is not inside it.

    Args:
        method: of HTTP.
        route: the template of the route that serves it, if known.
    """

    __slots__ = ("_phase", "_suspension")

    def __init__(self, method: str, route: str | None) -> None:
        tracer = installed()
        self._suspension = None if tracer is None else Suspension(tracer)
        self._phase: Phase | None = request_phase(method, route)
        self._phase.__enter__()

    def suspend(self) -> None:
        """Leave the phase until the next part."""
        if self._phase is not None and self._suspension is not None:
            self._suspension.suspend()

    def resume(self) -> None:
        """Enter the phase again."""
        if self._phase is not None and self._suspension is not None:
            self._suspension.resume()

    def end(self, status: Sequence[int] = (), error: BaseException | None = None) -> None:
        """End the phase, which is current, unless it has ended.

        Args:
            status: of the response; empty if there was none.
            error: what ended it.
        """
        request, self._phase = self._phase, None
        if request is None:
            return
        if status:
            annotate(status=status[0])
        request.__exit__(*((None, None, None) if error is None else (type(error), error, error.__traceback__)))
        if self._suspension is not None:
            self._suspension.finish(None)
