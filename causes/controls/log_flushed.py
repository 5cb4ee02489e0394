"""A handler of logging buffers a few records and drops them when they are flushed."""

import logging
import logging.handlers
import time

log = logging.getLogger("service")
log.setLevel(logging.INFO)
log.propagate = False
log.addHandler(logging.handlers.MemoryHandler(100, target=logging.NullHandler()))


def handle(number: int) -> None:
    """Log what a request does."""
    for n in range(500):
        log.info("request %s", f"{number} {n} " * 20)


for number in range(100):
    handle(number)
    time.sleep(0.01)
