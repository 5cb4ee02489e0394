"""Rows of small blocks, all freed, which the allocator uses again."""

import time


def import_rows() -> int:
    """Read rows and drop them."""
    return len([bytes([number % 256]) * 1_500 for number in range(2_000)])


for request in range(150):
    import_rows()
    time.sleep(0.008)
