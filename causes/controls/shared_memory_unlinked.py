"""Shared memory that is unlinked when it was read."""

import time
from multiprocessing.shared_memory import SharedMemory


def publish(request: int) -> None:
    """Fill a segment, and give it back."""
    segment = SharedMemory(create=True, size=1_000_000)
    segment.buf[:] = bytes([request]) * 1_000_000
    segment.close()
    segment.unlink()


for request in range(60):
    publish(request)
    time.sleep(0.02)
