"""gRPC: phases named by method, for servers of `grpc` and `grpc.aio`."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio

from ..tracing.phases import annotate, phase

__all__ = ["AsyncMemoryInterceptor", "MemoryInterceptor"]

# The contexts of grpc.aio have the numbers, and 0 also where nothing was set.
_STATUS = {key: code.name for code in grpc.StatusCode for key in (code, code.value[0]) if key != 0}


class MemoryInterceptor(grpc.ServerInterceptor):
    """Runs each call in a phase such as "/guard.Firewall/Check", a stream of responses to its last message.

    The status, such as "OK" or "NOT_FOUND", is an attribute.

    Use it as `grpc.server(pool, interceptors=[MemoryInterceptor()])`.
    """

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """Wrap the handler of a method; calls of unknown methods have none, and no phase."""
        handler = continuation(handler_call_details)
        return handler and _wrapped(handler, handler_call_details.method, _call, _stream)


class AsyncMemoryInterceptor(grpc.aio.ServerInterceptor):
    """The same for `grpc.aio.server(interceptors=[AsyncMemoryInterceptor()])`."""

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """Wrap the handler of a method."""
        handler = await continuation(handler_call_details)
        return handler and _wrapped(handler, handler_call_details.method, _any_call, _any_stream)


def _wrapped(handler: Any, name: str, call: Callable[..., Any], stream: Callable[..., Any]) -> Any:
    for kind, wrap in (
        ("unary_unary", call),
        ("stream_unary", call),
        ("unary_stream", stream),
        ("stream_stream", stream),
    ):
        behaviour = getattr(handler, kind)
        if behaviour is not None:
            make = getattr(grpc, f"{kind}_rpc_method_handler")
            return make(wrap(behaviour, name), handler.request_deserializer, handler.response_serializer)
    return handler


@contextmanager
def _run(name: str, context: Any) -> Iterator[None]:
    with phase(name):
        try:
            yield
        except BaseException:
            _note_status(context, None)  # that of `context.abort`; the server makes one of other exceptions later
            raise
        _note_status(context, "OK")


def _note_status(context: Any, otherwise: str | None) -> None:
    code = getattr(context, "code", lambda: None)()
    status = _STATUS.get(code) or otherwise
    if status is not None:
        annotate(status=status)


def _call(behaviour: Callable[..., Any], name: str) -> Callable[[Any, Any], Any]:
    def call(request: Any, context: Any) -> Any:
        with _run(name, context):
            return behaviour(request, context)

    return call


def _stream(behaviour: Callable[..., Any], name: str) -> Callable[[Any, Any], Iterator[Any]]:
    def stream(request: Any, context: Any) -> Iterator[Any]:
        with _run(name, context):
            yield from behaviour(request, context)

    return stream


def _any_call(behaviour: Callable[..., Any], name: str) -> Callable[[Any, Any], Any]:
    return (_async_call if _is_async(behaviour) else _call)(behaviour, name)


def _any_stream(behaviour: Callable[..., Any], name: str) -> Callable[[Any, Any], Any]:
    return (_async_stream if _is_async(behaviour) else _stream)(behaviour, name)


def _is_async(behaviour: Callable[..., Any]) -> bool:
    """Tell which handlers grpc.aio awaits; it runs the others in threads."""
    return any(
        inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one)
        for one in (behaviour, getattr(behaviour, "__call__", None))  # noqa: B004
    )


def _async_call(behaviour: Callable[..., Any], name: str) -> Callable[[Any, Any], Awaitable[Any]]:
    async def call(request: Any, context: Any) -> Any:
        with _run(name, context):
            return await behaviour(request, context)

    return call


def _async_stream(behaviour: Callable[..., Any], name: str) -> Callable[[Any, Any], Any]:
    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        with _run(name, context):
            responses = behaviour(request, context)
            if hasattr(responses, "__aiter__"):
                async for response in responses:
                    yield response
            else:  # a coroutine that writes them itself
                await responses

    return stream
