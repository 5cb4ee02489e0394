"""Flask: phases named by URL rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.exceptions import HTTPException, MethodNotAllowed
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
            adapter = app.url_map.bind_to_environ(environ)
            try:
                rule, _ = adapter.match(return_rule=True)
            except MethodNotAllowed as error:  # the path is right
                rule, _ = adapter.match(method=next(iter(error.valid_methods or ())), return_rule=True)
        except (HTTPException, RequestRedirect, StopIteration):
            return None
        return rule.rule

    app.wsgi_app = WsgiMiddleware(app.wsgi_app, route=route_of, page=page)
