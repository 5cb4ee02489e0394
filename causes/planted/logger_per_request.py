"""A leak: logging keeps a logger for every name that it was ever asked for."""

import logging
import time

from causes.truth import rss, tell


def handle(request: int) -> None:
    """Log under a name of the request's own."""
    for row in range(400):
        logging.getLogger(f"request-{request}-{row}").debug("begin")  # cause


before = rss()
for request in range(200):
    handle(request)
    time.sleep(0.005)
tell("a logger for each request", rss() - before, names=("logging", "getLogger", "loggerDict"))
