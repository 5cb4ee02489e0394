"""A session with the probe `native` against a bare `memray.Tracker` with the same options, around the same work.

What counts is what the process takes from before either is started until after it is stopped, in a fresh process each:
processor time of all its threads, the tracer's own too. On an idle machine that is the wall time or more; on one that
others use, wall time says more about them.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks.harness import Row, fresh, in_turns

_ROUNDS = 5
_WORK = {
    "imports": """
with phase("imports"):
    with phase("torch"):
        import torch
    with phase("sentence_transformers"):
        import sentence_transformers
""",
    "torch": """
with phase("matrices"):
    for size in range(400, 440):
        with phase("multiply"):
            product = torch.mm(torch.ones(size, size), torch.ones(size, size))
            for _ in range(400):
                product = torch.relu(product + 1).softmax(0)
""",
    "pure Python": """
with phase("objects"):
    for _ in range(300):
        with phase("batch"):
            kept = {}
            for number in range(20_000):
                kept[number] = [str(number), (number, number + 1)]
            total = sum(len(row[0]) for row in kept.values())
""",
}
_BEFORE = {"torch": "import torch; torch.set_num_threads(1); torch.ones(10) + 1\n"}
_MEASURE = """
import gc, json, sys, time
import memray, fwmemtrace, fwmemtrace.session
from fwmemtrace import phase
{before}
folder, kind, native = sys.argv[1], sys.argv[2], sys.argv[3] == "True"
gc.collect()  # else a collection of all that was imported falls into the start of one of the two, by chance
gc.freeze()
began = time.process_time_ns()
if kind == "session":
    around = fwmemtrace.session(folder + "/trace.bin", probes=["native"], native_traces=native)
else:
    around = memray.Tracker(folder + "/bare.bin", native_traces=native)
with around:
{work}
print(json.dumps(time.process_time_ns() - began))
"""


def run() -> list[Row]:
    """One row for each kind of work, and one with native traces."""
    rows = [_row(kind, native=False) for kind in _WORK]
    rows.append(_row("torch", native=True))
    return rows


def _row(kind: str, *, native: bool) -> Row:
    indented = "\n".join(f"    {line}" for line in _WORK[kind].splitlines())
    code = _MEASURE.format(before=_BEFORE.get(kind, ""), work=indented)

    def measure(which: str) -> float:
        with tempfile.TemporaryDirectory() as folder:
            took: float = fresh(code, folder, which, json.dumps(native).title())
            assert any(Path(folder).iterdir())
            return took

    pair = in_turns(lambda: measure("session"), lambda: measure("tracker"), _ROUNDS)
    name = f"native session / memray.Tracker: {kind}{', native traces' if native else ''}"
    return Row(name, *pair, target=1.02, unit="ns")
