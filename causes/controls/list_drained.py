"""A list of the module that each request fills and empties."""

import time

PENDING: list[dict[str, str]] = []


def handle(request: int) -> None:
    """Collect, then send."""
    for number in range(1_000):
        PENDING.append({"id": f"{request}/{number}"})
    PENDING.clear()


for request in range(200):
    handle(request)
    time.sleep(0.005)
