"""Each thread's arena of glibc keeps what it freed, since a small block at its end is in use."""

import threading
import time

from causes.truth import malloc_free, tell

KEPT = []
stop = threading.Event()


def serve() -> None:
    """Handle one large request, and wait for the next."""
    blocks = [bytes([number % 256]) * 2_000 for number in range(10_000)]  # cause
    KEPT.append(blocks[-1])
    blocks.clear()
    stop.wait()


threads = [threading.Thread(target=serve, daemon=True) for _ in range(6)]
for thread in threads:
    thread.start()
    time.sleep(0.1)
time.sleep(0.5)
tell("memory freed in the arenas of threads", malloc_free(), words="freed|free memory|not returned")
