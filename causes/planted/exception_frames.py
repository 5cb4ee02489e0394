"""A leak: kept exceptions hold the frames of their traceback, and these their local variables."""

import time

from causes.truth import tell

ERRORS: list[Exception] = []


def parse(request: int) -> None:
    """Fail with a large local variable."""
    body = bytes([request]) * 1_000_000  # cause
    raise ValueError(f"cannot parse {len(body)} bytes")


for request in range(120):
    try:
        parse(request)
    except ValueError as error:
        ERRORS.append(error)
    time.sleep(0.01)
steps = [error.__traceback__ and error.__traceback__.tb_next for error in ERRORS]
size = sum(len(step.tb_frame.f_locals["body"]) for step in steps if step)
tell("exceptions that hold frames", size, names=("ERRORS",))
