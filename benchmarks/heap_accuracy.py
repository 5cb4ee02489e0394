"""How close the sampled heap comes, and whether a kill leaves it readable.

Accuracy is that of planted blocks of known sizes. The kills are SIGKILLs while a program fills its memory.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from math import sqrt
from pathlib import Path

import fwmemtrace
from benchmarks.harness import ROOT, Row, fresh
from fwmemtrace import core

_KILLS = 20
_PLANTED = {512 * 1024: (24, 15.0), 64 * 1024: (8, 7.0)}  # mean: runs, and the largest rms error in percent

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
    """Measure; without the compiled core there is nothing to measure."""
    compiled, reason = core.load()
    if compiled is None:
        raise SystemExit(f"the compiled core cannot be used: {reason}")
    rows = []
    for interval, (runs, target) in _PLANTED.items():
        found = [phase for seed in range(runs) for phase in _planted(seed, interval)]
        rms = 100 * sqrt(sum(error * error for error, _ in found) / len(found))
        share = 100 * sum(inside for _, inside in found) / len(found)
        size = f"{interval // 1024} KiB"
        rows.append(Row(f"live bytes of planted phases, {size}: rms error", rms, 0, 0, target, "%", "at most"))
        rows.append(Row(f"planted phases within their interval, {size}", share, 0, 0, 93, "%", "at least"))
    within = sum(_killed(seed) for seed in range(_KILLS))
    name = f"heaps of {_KILLS} killed processes within 10% of RssAnon"
    return [*rows, Row(name, within, 0, 0, _KILLS, "", "at least")]
