"""One buffer that is filled by each request."""

import time

import numpy

buffer = numpy.zeros(1_000_000, numpy.uint8)


def fill(request: int) -> None:
    """Write over what the last request left."""
    buffer[:] = request % 256


for request in range(100):
    fill(request)
    time.sleep(0.01)
