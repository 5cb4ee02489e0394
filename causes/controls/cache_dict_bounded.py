"""A cache in a dict that drops its oldest entry."""

import time

ANSWERS: dict[int, bytes] = {}


def answer(question: int) -> bytes:
    """Returns the answer, from the cache if it is there."""
    if question not in ANSWERS:
        if len(ANSWERS) == 16:
            del ANSWERS[next(iter(ANSWERS))]
        ANSWERS[question] = b"x" * 200_000
    return ANSWERS[question]


for request in range(200):
    answer(request)
    time.sleep(0.008)
