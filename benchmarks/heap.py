"""What the sampled heap costs: processor time of a program with it and without, in turns.

The programs are pure Python, and a churn of arrays and tensors. The peers are memray and tracemalloc.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib.util import find_spec

from benchmarks.harness import Row, fresh, in_turns
from fwmemtrace import core

_ROUNDS = 3

_PYTHON = """
import json as _json, re as _re
rows = []
for turn in range(8):
    rows = [{"id": n, "name": f"user {n}", "tags": [f"t{n % 7}", f"t{n % 11}"], "score": n * 0.5} for n in range(12000)]
    text = _json.dumps(rows)
    words = _re.findall(r"user \\d+", text)
    index = {}
    for row in _json.loads(text):
        index.setdefault(row["tags"][0], []).append((row["score"], row["name"]))
    total = sum(len(sorted(found)) for found in index.values()) + len(set(words))
"""
_CHURN = """
import numpy, torch
torch.set_num_threads(1)
held = []
for turn in range(100):
    array = numpy.random.rand(200, 200)
    tensor = torch.from_numpy(array) @ torch.rand(200, 50, dtype=torch.float64)
    held.append(torch.relu(tensor + 1).sum().item())
    parts = [numpy.zeros(n) for n in range(1, 400)]
    smaller = [torch.zeros(n) for n in range(1, 100)]
"""
_PROGRAMS = {
    "pure Python": (_PYTHON, ""),
    "torch and numpy churn": (_CHURN, "torch"),
}

_TOOLS = {
    "plain": ("", ""),
    "heap": (
        "import fwmemtrace\nfwmemtrace.start(sys.argv[1] + '/t.bin', probes=['heap'], interval=0)",
        "fwmemtrace.stop()",
    ),
    "memray": ("import memray\ntool = memray.Tracker(sys.argv[1] + '/m.bin')\ntool.__enter__()", ""),
    "tracemalloc": ("import tracemalloc\ntracemalloc.start()", ""),
}


def _cost(program: str, tool: str) -> float:
    """Processor time of a program under a tool, in nanoseconds."""
    begin, end = _TOOLS[tool]
    with tempfile.TemporaryDirectory() as folder:
        code = f"import os, sys, time\n{begin}\nstart = time.process_time_ns()\n{program}\n{end}\n"
        return float(fresh(code + "print(time.process_time_ns() - start)", folder))


def run() -> list[Row]:
    """Compare; without the compiled core there is nothing to measure."""
    compiled, reason = core.load()
    if compiled is None:
        raise SystemExit(f"the compiled core cannot be used: {reason}")
    rows = []
    for name, (program, need) in _PROGRAMS.items():
        if need and not find_spec(need):
            continue
        pair = in_turns(_measure(program, "heap"), _measure(program, "plain"), _ROUNDS)
        rows.append(Row(f"{name}, sampled heap / plain: processor time", *pair, target=1.03, unit="ns"))
        for tool in ("memray", "tracemalloc"):
            if find_spec(tool):
                other = _cost(program, tool)
                what = f"{name}, sampled heap / {tool}: processor time"
                rows.append(Row(what, pair.ours, other, pair.ours / other, target=1.0, unit="ns"))
    return rows


def _measure(program: str, tool: str) -> Callable[[], float]:
    return lambda: _cost(program, tool)
