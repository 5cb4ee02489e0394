"""A handler of logging buffers records that nobody flushes."""

import logging
import logging.handlers
import time

from causes.truth import rss, tell

buffer = logging.handlers.MemoryHandler(10_000_000, flushLevel=100)
log = logging.getLogger("service")
log.setLevel(logging.INFO)
log.propagate = False
log.addHandler(buffer)


def handle(number: int) -> None:
    """Log what a request does."""
    for n in range(500):
        log.info("request %s", f"{number} {n} " * 20)  # cause


handle(0)
before = rss()
for number in range(150):
    handle(number)
    time.sleep(0.01)
tell("records that a log handler buffers", rss() - before)
