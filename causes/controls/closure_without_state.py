"""A decorator that keeps nothing but a count."""

import time
from collections.abc import Callable


def counted(function: Callable[[], bytearray]) -> Callable[[], bytearray]:
    """Count the calls."""
    calls = 0

    def call() -> bytearray:
        nonlocal calls
        calls += 1
        return function()

    return call


@counted
def render() -> bytearray:
    """Returns a picture."""
    return bytearray(b"x") * 800_000


for request in range(150):
    render()
    time.sleep(0.01)
