"""A leak: functools.cache, that is lru_cache without a limit, on arguments that never come twice."""

import time
from functools import cache

from causes.truth import rss, tell


@cache
def tokens(text: str) -> list[str]:
    """Returns the words of a text."""
    return [f"{word}-{text}" for word in range(10_000)]  # cause


before = rss()
for request in range(100):
    tokens(f"text {request}")
    time.sleep(0.01)
tell("a cache in functools.cache", rss() - before)
