"""A queue without a limit: the producer is faster than the consumer."""

import queue
import threading
import time

from causes.truth import tell

SIZE = 400_000
backlog: "queue.Queue[bytes]" = queue.Queue()


def produce() -> None:
    """Put what comes in."""
    for number in range(200):
        backlog.put(bytes([number]) * SIZE)  # cause
        time.sleep(0.005)


def consume() -> None:
    """Take one at a time."""
    while True:
        backlog.get()
        time.sleep(0.1)


threading.Thread(target=consume, daemon=True).start()
produce()
tell("a backlog in a queue", backlog.qsize() * SIZE, names=("backlog",))
