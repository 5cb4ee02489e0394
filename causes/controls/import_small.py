"""Imports small modules of the standard library, once."""

import time


def parse(text: str) -> int:
    """Returns the year."""
    import datetime

    return datetime.date.fromisoformat(text).year


for request in range(100):
    parse("2026-05-17")
    time.sleep(0.01)
