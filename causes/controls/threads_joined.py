"""A thread for each request, which ends."""

import threading
import time


def watch() -> None:
    """Use a buffer and end."""
    assert b"x" * 500_000


for request in range(120):
    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    time.sleep(0.008)
