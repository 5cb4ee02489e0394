"""Shared memory that a request fills and nobody unlinks."""

import time
from multiprocessing.shared_memory import SharedMemory

from causes.truth import rss, tell

SEGMENTS = []


def publish(request: int) -> None:
    """Put a frame where other processes can see it."""
    segment = SharedMemory(create=True, size=4_000_000)
    segment.buf[:] = bytes([request]) * 4_000_000  # cause
    SEGMENTS.append(segment)


publish(0)
before = rss()
for request in range(1, 31):
    publish(request)
    time.sleep(0.02)
size = rss() - before
time.sleep(0.3)
for segment in SEGMENTS:
    segment.unlink()
tell("shared memory", size, words="shared|shm|/dev/zero|psm_")
