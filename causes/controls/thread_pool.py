"""A pool of threads that live as long as the service."""

import time
from concurrent.futures import ThreadPoolExecutor


def handle(request: int) -> int:
    """Work on a buffer."""
    return len(bytes([request % 256]) * 300_000)


with ThreadPoolExecutor(4) as pool:
    for request in range(120):
        pool.submit(handle, request).result()
        time.sleep(0.01)
