"""A one-off spike: a report is put together as a whole, and dropped once it is written."""

import time

from causes.truth import peak, rss, tell


def build_report() -> int:
    """Returns the length of the report."""
    lines = []
    for number in range(150):
        lines.append(b"x" * 1_000_000)  # cause
        time.sleep(0.005)
    return sum(map(len, lines))


before = rss()
build_report()
size = peak() - before
time.sleep(0.5)
tell("memory that was held for a moment", size, words="freed|returned|given back|gone")
