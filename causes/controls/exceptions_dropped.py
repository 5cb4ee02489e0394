"""Exceptions that are handled, and counted by their type."""

import time
from collections import Counter

ERRORS: Counter[str] = Counter()


def parse(request: int) -> None:
    """Fail with a large local variable."""
    body = bytes([request % 256]) * 1_000_000
    raise ValueError(f"cannot parse {len(body)} bytes")


for request in range(120):
    try:
        parse(request)
    except ValueError as error:
        ERRORS[type(error).__name__] += 1
    time.sleep(0.01)
