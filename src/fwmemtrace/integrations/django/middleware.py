"""The middleware: a phase for each request, named by its route."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import resolve

from ...tracing.phases import annotate, is_tracing
from ..requests import OpenRequest
from ..wsgi import ResponseBody


class MemoryMiddleware:
    """Runs each request in a phase such as "GET /users/<int:id>/", streaming responses to their last chunk.

    Put it first in MIDDLEWARE, so that what the others take is in the phase. It works for sync and async servers.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Serve a request."""
        if self._is_async:
            return self._serve_async(request)
        if not is_tracing():
            response: HttpResponseBase = self._get_response(request)
            return response
        run = _begin(request)
        try:
            response = self._get_response(request)
        except BaseException as error:
            run.end(error=error)
            raise
        return _until_sent(response, run)

    async def _serve_async(self, request: HttpRequest) -> HttpResponseBase:
        if not is_tracing():
            response: HttpResponseBase = await self._get_response(request)
            return response
        run = _begin(request)
        try:
            response = await self._get_response(request)
        except BaseException as error:
            run.end(error=error)
            raise
        return _until_sent(response, run)


def _begin(request: HttpRequest) -> OpenRequest:
    try:
        route: str | None = f"/{resolve(request.path_info, getattr(request, 'urlconf', None)).route}"
    except Http404:
        route = None
    return OpenRequest(request.method or "", route)


def _until_sent(response: HttpResponseBase, run: OpenRequest) -> HttpResponseBase:
    annotate(status=response.status_code)
    if not response.streaming:
        run.end()
        return response
    if getattr(response, "file_to_stream", None) is not None:  # the server may send the file itself
        response.close = _closing(response.close, run)
    elif getattr(response, "is_async", False):
        response.streaming_content = _AsyncStream(response.streaming_content, run)
    else:
        response.streaming_content = ResponseBody(response.streaming_content, run)
    run.suspend()
    return response


def _closing(close: Callable[[], None], run: OpenRequest) -> Callable[[], None]:
    def close_and_end() -> None:
        run.resume()
        try:
            close()
        finally:
            run.end()

    return close_and_end


class _AsyncStream:
    """The chunks of an asynchronous response; what `ResponseBody` is for others."""

    def __init__(self, chunks: AsyncIterator[bytes], run: OpenRequest) -> None:
        self._chunks = aiter(chunks)
        self._run = run

    def __aiter__(self) -> _AsyncStream:
        return self

    async def __anext__(self) -> bytes:
        self._run.resume()
        try:
            chunk = await anext(self._chunks)
        except BaseException as error:
            self._run.end(error=None if isinstance(error, StopAsyncIteration) else error)
            raise
        self._run.suspend()
        return chunk

    def close(self) -> None:
        self._run.resume()
        self._run.end()
