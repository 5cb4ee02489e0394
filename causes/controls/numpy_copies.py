"""The first values of each large array, copied."""

import time

import numpy

HEADS: list[numpy.ndarray] = []


def sample(request: int) -> None:
    """Keep a copy of the first ten values."""
    HEADS.append(numpy.full(400_000, float(request))[:10].copy())


for request in range(60):
    sample(request)
    time.sleep(0.02)
