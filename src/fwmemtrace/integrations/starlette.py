"""Starlette and FastAPI: phases named by route."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Match, Mount

from .asgi import AsgiMiddleware, Scope
from .debug_page import DebugPage

__all__ = ["DebugPage", "instrument", "route_of"]


def instrument(app: Starlette, *, page: DebugPage | None = None) -> None:
    """Run each request of a Starlette or FastAPI application in a phase such as "GET /users/{id}".

    Args:
        app: the application; call this before its first request.
        page: a debug page to add; none by default.
    """
    app.add_middleware(AsgiMiddleware, route=route_of, page=page)


def route_of(scope: Scope) -> str | None:
    """Return the template of the route that will serve a request; None if none does."""
    app = scope.get("app")
    return None if app is None else _find(getattr(app, "routes", ()), dict(scope))


def _find(routes: Any, scope: dict[str, Any]) -> str | None:
    partial: str | None = None
    for route in routes:
        match, inner = route.matches(scope)
        if match is Match.NONE:
            continue
        path = _path(route, {**scope, **inner})
        if match is Match.FULL:
            return path
        partial = partial or path  # the path is right, the method is not
    return partial


def _path(route: BaseRoute, scope: dict[str, Any]) -> str | None:
    included = getattr(route, "effective_candidates", None)  # FastAPI keeps a router that was included as one route,
    if included is not None:
        return _find(included(), scope)  # whose own routes have the whole path
    own = str(getattr(route, "path", "") or getattr(getattr(route, "starlette_route", None), "path", ""))
    inner = getattr(route, "routes", None)  # of a mounted application, a host or a router
    if not inner:
        return f"{own}/*" if isinstance(route, Mount) else own or None
    found = _find(inner, scope)
    return f"{own}{found}" if found is not None else f"{own}/*"
