"""Asks a component its requests."""

from __future__ import annotations

from time import monotonic
from typing import Any

from ..analysis.suite.stages import REQUEST
from ..tracing.phases import phase
from .component import REQUESTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .component import ComponentLike


def answer(component: ComponentLike, instance: Any, inputs: list[Any], least: int, seconds: float) -> int:
    """Answers inputs until the time is over, but the least number at least; returns how many it answered."""
    until = monotonic() + seconds
    for number, item in enumerate(inputs):
        if number >= least and monotonic() > until:
            return number
        awaited(component.request(instance, item))
    return len(inputs)


def batch_of(component: ComponentLike) -> int:
    """Returns the number of requests of the phase `batch`."""
    return getattr(component, "batch", REQUESTS)


def make_requests(
    component: ComponentLike,
    instance: Any,
    inputs: list[Any],
    count: int,
    *,
    least: int = 0,
    seconds: float = float("inf"),
    after: Callable[[], None] | None = None,
) -> None:
    """Makes a number of requests, and calls `after` after each; once some seconds are up, only the least number."""
    # Only RSS at the edges of a request: anything finer would cost more than the request.
    request = phase(REQUEST, probes=("resident",))
    until = monotonic() + seconds
    for number in range(count):
        if number >= least and monotonic() > until:
            return
        with request:
            awaited(component.request(instance, inputs[number % len(inputs)]))
        if after is not None:
            after()


_loop: Any = None


def awaited(answer: Any) -> Any:
    """Returns the answer, or its result if it is a coroutine; all of them run in one event loop."""
    global _loop
    if not hasattr(answer, "__await__"):
        return answer
    if _loop is None:
        import asyncio

        _loop = asyncio.new_event_loop()

    async def wait() -> Any:
        return await answer

    return _loop.run_until_complete(wait())
