"""One logger, and requests as arguments."""

import logging
import time

logger = logging.getLogger("requests")


def handle(request: int) -> None:
    """Log each row."""
    for row in range(400):
        logger.debug("begin %d %d", request, row)


for request in range(200):
    handle(request)
    time.sleep(0.005)
