"""Suspended generators keep their local variables."""

import time
from collections.abc import Iterator

from causes.truth import tell

streams = []


def stream() -> Iterator[int]:
    """Yields a page byte by byte."""
    page = bytearray(800_000)  # cause
    for place in range(len(page)):
        yield page[place]


def open_stream() -> None:
    """Read the first byte."""
    one = stream()
    next(one)
    streams.append(one)


for _ in range(150):
    open_stream()
    time.sleep(0.01)
tell("suspended generators", 150 * 800_000, names=("streams", "stream"))
