"""gRPC: phases named by method, for servers of `grpc` and `grpc.aio`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
import grpc.aio

from ..tracing.phases import phase

__all__ = ["AsyncMemoryInterceptor", "MemoryInterceptor"]


class MemoryInterceptor(grpc.ServerInterceptor):
    """Runs each call in a phase such as "/guard.Firewall/Check", a stream of responses to its last message.

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
        return handler and _wrapped(handler, handler_call_details.method, _async_call, _async_stream)


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


def _call(behaviour: Callable[..., Any], name: str) -> Callable[[Any, Any], Any]:
    def call(request: Any, context: Any) -> Any:
        with phase(name):
            return behaviour(request, context)

    return call


def _stream(behaviour: Callable[..., Any], name: str) -> Callable[[Any, Any], Iterator[Any]]:
    def stream(request: Any, context: Any) -> Iterator[Any]:
        with phase(name):
            yield from behaviour(request, context)

    return stream


def _async_call(behaviour: Callable[..., Any], name: str) -> Callable[[Any, Any], Awaitable[Any]]:
    async def call(request: Any, context: Any) -> Any:
        with phase(name):
            return await behaviour(request, context)

    return call


def _async_stream(behaviour: Callable[..., Any], name: str) -> Callable[[Any, Any], Any]:
    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        with phase(name):
            responses = behaviour(request, context)
            if hasattr(responses, "__aiter__"):
                async for response in responses:
                    yield response
            else:  # a coroutine that writes them itself
                await responses

    return stream
