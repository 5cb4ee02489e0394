"""Workers are forked out of a session and killed: nothing of theirs or the parent's is lost."""

from __future__ import annotations

import os
import random
import signal
import time

import fwmemtrace
from fwmemtrace import phase
from stress.outcome import Outcome

FULL, SMALL = 100, 5


def run(number: int) -> Outcome:
    """Kill that many workers of one session."""
    outcome = Outcome(number)
    with fwmemtrace.session("forked.bin", interval="5ms"), phase("serve"):
        for _ in range(number):
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                while True:
                    with phase("request"):
                        os.write(writer, b".")
            os.read(reader, 1)
            time.sleep(random.uniform(0, 0.02))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(reader)
            os.close(writer)
            with phase("killed"):
                pass
    summary = fwmemtrace.read("forked.bin").summary()
    calls = {row.path: 0 for row in summary.phases}
    for row in summary.phases:
        calls[row.path] += row.calls
    outcome.expect(calls.get("serve/killed") == number, f"{calls.get('serve/killed')} of the parent's phases")
    killed = [process for process in summary.trace.processes if process.ended == "not closed"]
    outcome.expect(len(killed) == number, f"{len(killed)} workers that were killed, of {number}")
    outcome.expect(not summary.trace.damaged_bytes, f"{summary.trace.damaged_bytes} bytes are damaged")
    outcome.figures["requests"] = calls.get("serve/request", 0)
    return outcome
