"""A report written line by line."""

import time


def write_report() -> int:
    """Returns the length of the report."""
    return sum(len(b"x" * 100_000) for _ in range(10))


for request in range(150):
    write_report()
    time.sleep(0.005)
