"""Whether a process that is killed while it fills its memory leaves its heap readable, and how much of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import fwmemtrace
from benchmarks.harness import ROOT, Row
from fwmemtrace import core

_KILLS = 100

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
    """Kill; without the compiled core there is nothing to leave."""
    compiled, reason = core.load()
    if compiled is None:
        raise SystemExit(f"the compiled core cannot be used: {reason}")
    within = sum(_killed(seed) for seed in range(_KILLS))
    name = f"heaps of {_KILLS} killed processes within 10% of RssAnon"
    return [Row(name, within, 0, 0, _KILLS, "", "at least")]
