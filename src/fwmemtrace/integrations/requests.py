"""Phases of requests: how they are named, and what ends them."""

from __future__ import annotations

from collections.abc import Sequence

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


def end_request(request: Phase, status: Sequence[int] = (), error: BaseException | None = None) -> None:
    """End the phase of a request.

    Args:
        request: the phase.
        status: of the response; empty if there was none.
        error: what ended it.
    """
    if status:
        annotate(status=status[0])
    request.__exit__(*((None, None, None) if error is None else (type(error), error, error.__traceback__)))
