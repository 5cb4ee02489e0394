"""The sampled heap: what it costs, how close it comes, and whether a kill leaves it readable.

Costs are processor times of one program with a session and without, in turns, on three programs: imports and a model,
pure Python, and a churn of arrays and tensors. The peers (memray, tracemalloc) run beside it. Accuracy is that of
planted blocks of known size. Kills are by the kernel: SIGKILL while the program fills its memory.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from math import sqrt
from pathlib import Path

import fwmemtrace
from benchmarks.harness import ROOT, Row, fresh, in_turns
from fwmemtrace import core

_ROUNDS = 5
_KILLS = 100
_PLANTED = 200

_PYTHON = """
import json as _json, re as _re
rows = []
for turn in range(12):
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
for turn in range(400):
    array = numpy.random.rand(200, 200)
    tensor = torch.from_numpy(array) @ torch.rand(200, 50, dtype=torch.float64)
    held.append(torch.relu(tensor + 1).sum().item())
    parts = [numpy.zeros(n) for n in range(1, 400)]
    smaller = [torch.zeros(n) for n in range(1, 100)]
"""
_MODEL = """
sys.path.insert(0, "examples")
import guard as _guard
_it = _guard.Guard()
for turn in range(20):
    _it.check("user", f"Tell me about the weather in town number {turn}")
"""
_PROGRAMS = {"pure Python": (_PYTHON, ()), "torch and numpy churn": (_CHURN, ("torch",))}

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


_PLANT = """
import json, sys, random
import fwmemtrace
draw = random.Random(sys.argv[2])
kept = []
def small(): kept.append([b"0123456789" * 6 + b"%d" % i for i in range(400_000)])
def large(): kept.append([bytearray(1_000_000) for _ in range(50)])
def mixed():
    total, blocks = 0, []
    while total < 40_000_000:
        blocks.append(bytes(int(min(draw.paretovariate(0.8) * 50, 200_000))))
        total += sys.getsizeof(blocks[-1])
    kept.append(blocks)
def churn():
    for _ in range(3000):
        bytes(draw.randrange(1, 20_000))
def size(blocks): return sys.getsizeof(blocks) + sum(
    map(sys.getsizeof, blocks))
with fwmemtrace.session(sys.argv[1] + "/t.bin", probes=["heap"], sample_bytes=int(sys.argv[3]), interval=0):
    for fill in (small, large, mixed):
        with fwmemtrace.phase(fill.__name__):
            fill()
            churn()
print(json.dumps(dict(zip(("small", "large", "mixed"), map(size, kept)))))
"""


def _planted(seed: int, sample_bytes: int) -> list[tuple[float, bool]]:
    """The relative error of each phase's live bytes, and whether its interval holds the truth."""
    with tempfile.TemporaryDirectory() as folder:
        truth = fresh(_PLANT, folder, str(seed), str(sample_bytes))
        trace = fwmemtrace.read(Path(folder) / "t.bin")
        found = []
        for phase, size in truth.items():
            heap = trace[phase].heap
            assert heap is not None
            # The largest list may have been reallocated with room to grow.
            inside = heap.live_low_bytes * 0.995 <= size <= heap.live_high_bytes * 1.005
            found.append((heap.live_bytes / size - 1, inside))
        return found


_FILL = """
import os, random, sys, time
import fwmemtrace
draw = random.Random(int(sys.argv[2]))
fwmemtrace.start(sys.argv[1] + "/t.bin", probes=["heap"], sample_bytes="64KiB", interval=0)
kept = []
with fwmemtrace.phase("request"):
    while True:
        kept.append(bytearray(draw.choice([100, 5000, 200_000])))
        if len(kept) % 50 == 0:
            with open("/proc/self/status") as status:
                text = status.read()
            print(text[text.index("RssAnon:") + 8:].split()[0], flush=True)
            if len(kept) > 1500 and draw.random() < 0.02: time.sleep(0.001)
"""


def _killed(seed: int) -> bool:
    """Whether a killed process left a heap that is readable and within 10% of its anonymous memory."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-c", _FILL, folder, str(seed)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        first = int(process.stdout.readline())
        resident = first
        for line in process.stdout:
            resident = int(line)
            if resident > 100_000 + seed % 100 * 500:
                break
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.wait()
        if rest:
            resident = int(rest[-1])
        rows = fwmemtrace.read(Path(folder) / "t.bin").phases
        live = sum(row.heap.live_bytes for row in rows if row.heap is not None)
        return abs(live - (resident - first) * 1024) <= 0.1 * (resident - first) * 1024


def run() -> list[Row]:
    """Compare; without the compiled core there is nothing to measure."""
    compiled, reason = core.load()
    if compiled is None:
        raise SystemExit(f"the compiled core cannot be used: {reason}")
    rows = []
    programs = dict(_PROGRAMS)
    if find_spec("sentence_transformers"):
        programs["imports and model"] = (_MODEL, ("sentence_transformers",))
    for name, (program, needs) in programs.items():
        if not all(map(find_spec, needs)):
            continue
        pair = in_turns(_measure(program, "heap"), _measure(program, "plain"), _ROUNDS)
        rows.append(Row(f"{name}, sampled heap / plain: processor time", *pair, target=1.03, unit="ns"))
        for tool in ("memray", "tracemalloc"):
            if tool == "memray" and not find_spec("memray"):
                continue
            other = _cost(program, tool)
            row = Row(f"{name}, sampled heap / {tool}: processor time", pair.ours, other, pair.ours / other, 1.0, "ns")
            rows.append(row)
    for interval, target in ((512 * 1024, 0.15), (64 * 1024, 0.07)):
        runs = [_planted(seed, interval) for seed in range(_PLANTED if interval > 100_000 else 20)]
        errors = [error for each in runs for error, _ in each]
        held = [inside for each in runs for _, inside in each]
        size = f"{interval // 1024} KiB"
        rms = sqrt(sum(error * error for error in errors) / len(errors))
        rows.append(
            Row(f"live bytes of planted phases, {size}: rms error", rms * 100, 0, 0, target * 100, "%", "at most")
        )
        share = 100 * sum(held) / len(held)
        rows.append(Row(f"planted phases inside their interval, {size}", share, 0, 0, 93, "%", "at least"))
    readable = sum(_killed(seed) for seed in range(_KILLS))
    rows.append(
        Row(f"heaps of {_KILLS} killed processes within 10% of RssAnon", readable, 0, 0, _KILLS, "", "at least")
    )
    return rows


def _measure(program: str, tool: str) -> Callable[[], float]:
    return lambda: _cost(program, tool)
