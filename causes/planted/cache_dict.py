"""A leak: a cache in a dict keeps every answer, under a key that never comes twice."""

import time

from causes.truth import tell

ANSWERS: dict[str, bytes] = {}


def answer(question: str) -> bytes:
    """Returns the answer, from the cache if it is there."""
    if question not in ANSWERS:
        ANSWERS[question] = question.encode() * 50_000  # cause
    return ANSWERS[question]


for request in range(150):
    answer(f"{request:010}, {time.monotonic()}")
    time.sleep(0.01)
tell("a cache in a dict", sum(map(len, ANSWERS.values())), names=("ANSWERS",))
