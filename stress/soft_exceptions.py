"""A signal handler raises, as soft time limits do, in a loop of nothing but phases: every exception arrives."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.tracing.span import changing, current
from stress.outcome import Outcome

FULL, SMALL = 4_000, 200
_GENERATORS = "request/generator", "request/generator/step"


class SoftLimitError(Exception):
    """Raised by the handler."""


_LIMITS = SoftLimitError, TimeoutError, RuntimeError, KeyboardInterrupt


@phase("decorated")
def decorated() -> None:
    """Does nothing."""


@phase("generator")
def generator() -> Iterator[int]:
    """Is suspended inside a phase of its own."""
    for number in range(2):
        with phase("step"):
            yield number


def run(number: int) -> Outcome:
    """Interrupt the loop that many times."""
    outcome = Outcome(number)
    sent = arrived = 0

    def interrupt(*_: object) -> None:
        nonlocal sent
        sent += 1
        raise _LIMITS[sent % len(_LIMITS)]

    before = signal.signal(signal.SIGALRM, interrupt)
    with fwmemtrace.session("soft.bin", interval=0):
        while arrived < number:
            sent_before, began = sent, time.perf_counter()
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-5, 4e-4))
                while sent == sent_before and time.perf_counter() - began < 1:
                    with phase("request"):
                        with phase("inner"):
                            pass
                        decorated()
                        for _ in generator():
                            pass
                outcome.expect(False, "an exception was swallowed")
                break
            except _LIMITS:
                arrived += 1
            span = current.get()
            outcome.expect(span is None or span.closed, f"{span and span.path} stays open")
            outcome.expect(not changing, "a thread cannot record any more")
        signal.signal(signal.SIGALRM, before)
        for _ in range(10):
            with phase("after"):
                pass
    trace = fwmemtrace.read("soft.bin")
    rows = {row.path: row for row in trace.phases}
    outcome.expect(rows["after"].calls == 10, "recording has ended")
    crossed = sorted(rows.keys() - {"request", "request/inner", "request/decorated", "after", *_GENERATORS, ""})
    outcome.expect(not crossed, f"crossed phases: {crossed[:3]}")
    outcome.expect(trace.summary().trace.complete, "the trace is not complete")
    outcome.figures["arrived"] = arrived
    return outcome
