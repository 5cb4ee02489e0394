"""A leak: every request is appended to a list of the module."""

import time

from causes.truth import rss, tell

SEEN: list[dict[str, str]] = []


def handle(request: int) -> None:
    """Remember what came in."""
    for number in range(1_000):
        SEEN.append({"id": f"{request}/{number}", "agent": f"agent {number} of {request}"})  # cause


before = rss()
for request in range(200):
    handle(request)
    time.sleep(0.005)
tell("a list of the module", rss() - before, names=("SEEN",))
