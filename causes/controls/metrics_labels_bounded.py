"""A histogram whose label is one of five methods."""

import time

BUCKETS: dict[str, list[float]] = {}
METHODS = ("get", "put", "post", "head", "delete")


def observe(method: str, seconds: float) -> None:
    """Count a request in its bucket."""
    buckets = BUCKETS.setdefault(method, [0.0] * 50)
    buckets[min(49, int(seconds * 10))] += 1


for request in range(200):
    for row in range(500):
        observe(METHODS[row % 5], row / 300)
    time.sleep(0.005)
