"""Freed, but not returned to the kernel: one small block lies behind each large region that was freed."""

import time

from causes.truth import malloc_free, tell

KEPT = []


def import_rows() -> None:
    """Read many rows, and keep one in a thousand."""
    rows = [bytes([number % 256]) * 1_500 for number in range(80_000)]  # cause
    KEPT.extend(rows[::1_000])
    KEPT.append(rows[-1])


import_rows()
time.sleep(0.5)
tell("freed and not returned", malloc_free(), words="freed|free memory|not returned")
