"""A middleware for any WSGI application: a phase for each request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..tracing.phases import Phase, is_tracing
from .debug_page import DebugPage
from .requests import end_request, request_phase

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

        def watch(line: str, headers: Any, exc_info: Any = None, /) -> Any:
            status[:] = [int(line.split(None, 1)[0])]
            length[:] = _content_length(headers)
            return start_response(line, headers, *(() if exc_info is None else (exc_info,)))

        request = request_phase(environ["REQUEST_METHOD"], None if self._route is None else self._route(environ))
        request.__enter__()
        try:
            body = self._app(environ, watch)
        except BaseException as error:
            end_request(request, status, error)
            raise
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(body, wrapper):  # the server may send the file itself
            end_request(request, status)
            return body
        return ResponseBody(body, request, status, length)

    def _serve_page(self, page: DebugPage, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if page.allow(environ):
            status, body = page.render(environ.get("QUERY_STRING", ""))
        else:
            status, body = 404, b"not found"
        line = {200: "200 OK", 404: "404 Not Found"}.get(status, f"{status} Error")
        start_response(line, [("Content-Type", page.content_type(status)), ("Content-Length", str(len(body)))])
        return [body]


def _content_length(headers: Any) -> list[int]:
    """Return how many bytes a response says that it has; nothing if it does not, or if its headers are odd."""
    try:
        return [int(value) for name, value in headers if name.lower() == "content-length"]
    except (AttributeError, TypeError, ValueError):  # for the server to complain of
        return []


class ResponseBody:
    """The body of a response. The request's phase ends with the last byte, or when the server closes the response.

    Test clients close no response, so the next request would be a phase inside this one.

    Args:
        body: the application's.
        request: the phase.
        status: of the response, once it has begun.
        length: its bytes, if the application says so.
    """

    def __init__(
        self, body: Iterable[bytes], request: Phase, status: Sequence[int] = (), length: Sequence[int] = ()
    ) -> None:
        self._length = length
        self._sent = 0
        self._body = body
        self._chunks = iter(body)
        self._request: Phase | None = request
        self._status = status

    def __iter__(self) -> ResponseBody:
        return self

    def __next__(self) -> bytes:
        try:
            chunk = next(self._chunks)
        except StopIteration:
            self._end(None)
            raise
        except BaseException as error:
            self._end(error)
            raise
        self._sent += len(chunk)
        if self._length and self._sent >= self._length[0]:
            self._end(None)
        return chunk

    def close(self) -> None:
        """Close the application's body, and end the phase."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._end(None)

    def _end(self, error: BaseException | None) -> None:
        request, self._request = self._request, None
        if request is not None:
            end_request(request, self._status, error)
