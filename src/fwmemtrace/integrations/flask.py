"""Flask: phases named by URL rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from .debug_page import DebugPage
from .wsgi import WsgiMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["DebugPage", "instrument"]


def instrument(app: Flask, *, page: DebugPage | None = None) -> None:
    """Run each request of a Flask application in a phase such as "GET /users/<int:id>".

    Args:
        app: the application.
        page: a debug page to add; none by default.
    """

    def route_of(environ: WSGIEnvironment) -> str | None:
        try:
            rule, _ = app.url_map.bind_to_environ(environ).match(return_rule=True)
        except (HTTPException, RequestRedirect):
            return None
        return rule.rule

    app.wsgi_app = WsgiMiddleware(app.wsgi_app, route=route_of, page=page)
