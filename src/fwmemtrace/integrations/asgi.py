"""A middleware for any ASGI application: a phase for each request and websocket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from ..tracing.phases import annotate, is_tracing
from .debug_page import DebugPage
from .requests import request_phase

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class AsgiMiddleware:
    """Runs every HTTP request and every websocket in a phase, until the application has sent all of its response.

    Args:
        app: the application.
        route: returns the template of the route that serves a request, given its scope; None if there is none.
        page: the debug page to serve; none by default.
    """

    def __init__(
        self, app: Application, *, route: Callable[[Scope], str | None] | None = None, page: DebugPage | None = None
    ) -> None:
        self._app = app
        self._route = route
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif self._page is not None and kind == "http" and scope["path"] == self._page.path:
            await self._send_page(self._page, scope, send)
        elif not is_tracing():
            await self._app(scope, receive, send)
        else:
            await self._trace(scope, receive, send)

    async def _trace(self, scope: Scope, receive: Receive, send: Send) -> None:
        status: int | None = None

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
            await send(message)

        method = scope["method"] if scope["type"] == "http" else "WEBSOCKET"
        with request_phase(method, None if self._route is None else self._route(scope)):
            try:
                await self._app(scope, receive, watch)
            finally:
                if status is not None:
                    annotate(status=status)

    async def _send_page(self, page: DebugPage, scope: Scope, send: Send) -> None:
        import asyncio

        if page.allow(scope):
            query = scope.get("query_string", b"").decode("latin-1")
            status, body = await asyncio.to_thread(page.render, query)
        else:
            status, body = 404, b"not found"
        headers = [(b"content-type", page.content_type(status).encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
