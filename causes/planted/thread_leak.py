"""A leak of threads: every request starts one that waits for ever, with its buffer."""

import threading
import time

from causes.truth import rss, tell

never = threading.Event()


def watch(request: int) -> None:
    """Wait for an event that does not come."""
    buffer = b"x" * 1_000_000  # cause
    never.wait()
    print(len(buffer), request)


before = rss()
for request in range(100):
    threading.Thread(target=watch, args=(request,), daemon=True).start()
    time.sleep(0.01)
tell("threads that never end", rss() - before, words="thread")
