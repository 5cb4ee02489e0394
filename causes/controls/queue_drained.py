"""A queue whose consumer keeps up."""

import queue
import threading
import time

inbox: "queue.Queue[bytes]" = queue.Queue(maxsize=4)


def consume() -> None:
    """Take what comes."""
    while True:
        inbox.get()


threading.Thread(target=consume, daemon=True).start()
for number in range(150):
    inbox.put(bytes([number]) * 400_000)
    time.sleep(0.008)
