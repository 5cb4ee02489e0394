"""lru_cache with a limit."""

import time
from functools import lru_cache


@lru_cache(maxsize=8)
def tokens(text: str) -> list[str]:
    """Returns the words of a text."""
    return [f"{word}-{text}" for word in range(5_000)]


for request in range(150):
    tokens(f"text {request}")
    time.sleep(0.008)
