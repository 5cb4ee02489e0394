"""A middleware for any WSGI application: a phase for each request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..tracing.phases import is_tracing
from .debug_page import DebugPage
from .requests import OpenRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class WsgiMiddleware:
    """Runs every request in a phase, until the server has read the last byte of its response and closes it.

    Args:
        app: the application.
        route: returns the template of the route that serves a request, given its environ; None if there is none.
        page: the debug page to serve; none by default.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        route: Callable[[WSGIEnvironment], str | None] | None = None,
        page: DebugPage | None = None,
    ) -> None:
        self._app = app
        self._route = route
        self._page = page

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        if self._page is not None and environ.get("PATH_INFO") == self._page.path:
            return self._serve_page(self._page, environ, start_response)
        if not is_tracing():
            return self._app(environ, start_response)

        status: list[int] = []
        length: list[int] = []

        def watch(line: str, headers: Any, exc_info: Any = None) -> Any:
            status[:] = _status_code(line)
            length[:] = _content_length(headers)
            return start_response(line, headers, *(() if exc_info is None else (exc_info,)))

        request = OpenRequest(environ["REQUEST_METHOD"], None if self._route is None else self._route(environ))
        try:
            body = self._app(environ, watch)
            wrapper = environ.get("wsgi.file_wrapper")
            if isinstance(wrapper, type) and isinstance(body, wrapper):  # the server may send the file itself
                request.end(status)
                return body
            kind = _SizedBody if hasattr(type(body), "__len__") else ResponseBody
            response = kind(body, request, status, length)
        except BaseException as error:
            request.end(status, error)
            raise
        request.suspend()
        return response

    def _serve_page(self, page: DebugPage, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if page.allow(environ):
            status, body = page.render(environ.get("QUERY_STRING", ""))
        else:
            status, body = 404, b"not found"
        line = {200: "200 OK", 404: "404 Not Found"}.get(status, f"{status} Error")
        start_response(line, [("Content-Type", page.content_type(status)), ("Content-Length", str(len(body)))])
        return [body]


def _status_code(line: Any) -> list[int]:
    try:
        return [int(line.split(None, 1)[0])]
    except (AttributeError, IndexError, ValueError):  # for the server to complain of
        return []


def _content_length(headers: Any) -> list[int]:
    """Return how many bytes a response says that it has; nothing if it does not, or if its headers are odd."""
    try:
        return [int(value) for name, value in headers if name.lower() == "content-length"]
    except (AttributeError, TypeError, ValueError):  # for the server to complain of
        return []


class ResponseBody:
    """The body of a response. The request's phase ends with the last byte, or when the server closes the response.

    Args:
        body: the application's.
        request: the request, which is suspended from now on but for what happens here.
        status: of the response, once it has begun.
        length: its bytes, if the application says so.
    """

    def __init__(
        self, body: Iterable[bytes], request: OpenRequest, status: Sequence[int] = (), length: Sequence[int] = ()
    ) -> None:
        self._length = length
        self._sent = 0
        self._body = body
        self._chunks = iter(body)
        self._request = request
        self._status = status

    def __iter__(self) -> ResponseBody:
        return self

    def __next__(self) -> bytes:
        self._request.resume()
        try:
            chunk = next(self._chunks)
        except StopIteration:
            self._request.end(self._status)
            raise
        except BaseException as error:
            self._request.end(self._status, error)
            raise
        self._sent += len(chunk)
        if self._length and self._sent >= self._length[0]:
            self._request.end(self._status)
        else:
            self._request.suspend()
        return chunk

    def close(self) -> None:
        """Close the application's body, and end the phase."""
        self._request.resume()
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._request.end(self._status)


class _SizedBody(ResponseBody):
    """The same of a body that has a length, by which servers add the header Content-Length."""

    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]
