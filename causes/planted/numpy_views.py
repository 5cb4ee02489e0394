"""A leak: a small view of each large array is kept, and with it the array."""

import time

import numpy
from causes.truth import tell

HEADS: list[numpy.ndarray] = []


def sample(request: int) -> None:
    """Keep the first ten values."""
    values = numpy.full(400_000, float(request))  # cause
    HEADS.append(values[:10])


for request in range(60):
    sample(request)
    time.sleep(0.02)
tell("views that hold their base", sum(head.base.nbytes for head in HEADS if head.base is not None), names=("HEADS",))
