"""A leak: a histogram has a row of buckets for every value of a label, and the label is the user."""

import time

from causes.truth import rss, tell

BUCKETS: dict[str, list[float]] = {}


def observe(request: int, user: int, seconds: float) -> None:
    """Count a request in its bucket."""
    buckets = BUCKETS.setdefault(f"user {request}/{user}", [0.0] * 50)  # cause
    buckets[min(49, int(seconds * 10))] += 1


before = rss()
for request in range(200):
    for user in range(1_000):
        observe(request, user, user / 300)
    time.sleep(0.005)
tell("labels of metrics", rss() - before, names=("BUCKETS",))
