"""A session with the probe `native` against a bare `memray.Tracker` with the same options, around the same work.

Each runs in a fresh process and is measured from before its start until after its stop: wall time, and processor time
of all threads. On a shared machine, wall time says as much about the others.

glibc's thresholds for returning memory are fixed for both sides. Otherwise they adapt to what lies last on the heap at
each free, and the same matrices cause 5,000 page faults in one run and 1,200,000 in the next, under the bare tracker
too: half a second that has nothing to do with either.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.harness import Row, fresh

_ROUNDS = 9
_STEADY_MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(10**9), "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20)}  # mallopt(3)
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
import memray, fwmemtrace, fwmemtrace.recording.switch
from fwmemtrace import phase
{before}
folder, kind, native = sys.argv[1], sys.argv[2], sys.argv[3] == "True"
gc.collect()  # else a collection of all that was imported falls into the start of one of the two, by chance
gc.freeze()
began = time.perf_counter_ns(), time.process_time_ns()
if kind == "session":
    around = fwmemtrace.session(folder + "/trace.bin", probes=["native"], native_traces=native)
else:
    around = memray.Tracker(folder + "/bare.bin", native_traces=native)
with around:
{work}
print(json.dumps([time.perf_counter_ns() - began[0], time.process_time_ns() - began[1]]))
"""


def run() -> list[Row]:
    """Two rows for each kind of work, and two with native traces."""
    os.environ.update(_STEADY_MALLOC)
    rows = [row for kind in _WORK for row in _rows(kind, native=False)]
    return rows + _rows("torch", native=True)


def _rows(kind: str, *, native: bool) -> list[Row]:
    indented = "\n".join(f"    {line}" for line in _WORK[kind].splitlines())
    code = _MEASURE.format(before=_BEFORE.get(kind, ""), work=indented)

    def measure(which: str) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as folder:
            wall, processor = fresh(code, folder, which, json.dumps(native).title())
            assert any(Path(folder).iterdir())
            return wall, processor

    # The order alternates, so that a machine that slows down does not favour one of them.
    turns = []
    for number in range(_ROUNDS + 1):
        order = ("session", "tracker") if number % 2 else ("tracker", "session")
        took = {which: measure(which) for which in order}
        turns.append((took["session"], took["tracker"]))
    rows = []
    for which, what in enumerate(("wall time", "processor time")):
        pairs = [(ours[which], peer[which]) for ours, peer in turns[1:]]
        name = f"native session / memray.Tracker, {kind}{' and native traces' if native else ''}: {what}"
        ours, peer = (median(side) for side in zip(*pairs, strict=True))
        rows.append(Row(name, ours, peer, median(a / b for a, b in pairs), target=1.02, unit="ns"))
    return rows
