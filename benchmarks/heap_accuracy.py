"""How close the sampled heap comes to planted blocks of known sizes, and its allocated bytes to memray's."""

from __future__ import annotations

import json
import tempfile
from importlib.util import find_spec
from math import sqrt
from pathlib import Path

import fwmemtrace
from benchmarks.harness import Row, fresh
from fwmemtrace import core

_RUNS = 67  # with three phases each
_PLANTED = {512 * 1024: 15.0, 64 * 1024: 7.0}  # mean: the largest rms error in percent

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


# It calls no method of C in a loop: memray profiles, and the interpreter then makes an object of 72 bytes for each such
# call.
_COMPARED = """
import json, sys
import fwmemtrace
probe, options = sys.argv[2], json.loads(sys.argv[3])
kept = []
def objects(): kept.append([float(n) for n in range(300_000)])
def grown(): kept.append([[m for m in range(2000)] for n in range(300)])
def blocks(): kept.append([bytearray(n % 90_000 + 600) for n in range(2000)])
def freed():
    for n in range(200_000): bytes(n % 3000)
with fwmemtrace.session(f"{sys.argv[1]}/{probe}.bin", probes=[probe], interval=0, **options):
    for work in (objects, grown, blocks, freed):
        with fwmemtrace.phase(work.__name__):
            work()
print("{}")
"""
# What each phase of that program does, for the table.
_KINDS = {"objects": "small objects", "grown": "lists that grow", "blocks": "blocks", "freed": "blocks freed at once"}


def _compared() -> list[Row]:
    """Allocated bytes by phase beside memray's, with every object of Python's allocator."""
    if not find_spec("memray"):
        return []
    with tempfile.TemporaryDirectory() as folder:
        fresh(_COMPARED, folder, "heap", "{}")
        ours = fwmemtrace.read(Path(folder) / "heap.bin")
        fresh(_COMPARED, folder, "native", json.dumps({"python_allocators": True}))
        theirs = fwmemtrace.read(Path(folder) / "native.bin")
        rows = []
        for phase, kind in _KINDS.items():
            heap, native = ours[phase].heap, theirs[phase].native
            assert heap is not None
            assert native is not None
            pair = heap.allocated_bytes, native.allocated_bytes
            name = f"allocated bytes of {kind} / memray"
            rows.append(Row(name, *pair, pair[0] / pair[1], target=0.01, unit="B", kind="within"))
        return rows


def run() -> list[Row]:
    """Measure; without the compiled core there is nothing to measure."""
    compiled, reason = core.load()
    if compiled is None:
        raise SystemExit(f"the compiled core cannot be used: {reason}")
    rows = []
    for interval, target in _PLANTED.items():
        found = [phase for seed in range(_RUNS) for phase in _planted(seed, interval)]
        rms = 100 * sqrt(sum(error * error for error, _ in found) / len(found))
        share = 100 * sum(inside for _, inside in found) / len(found)
        size = f"{interval // 1024} KiB, {len(found)} phases"
        rows.append(Row(f"live bytes of planted phases, {size}: rms error", rms, 0, 0, target, "%", "at most"))
        rows.append(Row(f"planted phases within their interval, {size}", share, 0, 0, 93, "%", "at least"))
    return [*rows, *_compared()]
