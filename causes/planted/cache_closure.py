"""A leak: a decorator of the project's own keeps results in a closure."""

import time
from collections.abc import Callable

from causes.truth import tell


def memoised(function: Callable[[int], bytearray]) -> Callable[[int], bytearray]:
    """Keep every result."""
    pictures: dict[int, bytearray] = {}

    def call(number: int) -> bytearray:
        if number not in pictures:
            pictures[number] = function(number)
        return pictures[number]

    return call


@memoised
def render(number: int) -> bytearray:
    """Returns a picture."""
    return bytearray(b"x") * 800_000  # cause


size = 0
for request in range(150):
    size += len(render(request))
    time.sleep(0.01)
tell("a cache in a closure", size, names=("memoised", "pictures"))
