"""The report by phase of a memray capture against memray's own reporters on the same capture, and its memory.

Both sides are whole commands in fresh processes, started alike; what counts is their processor time.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from benchmarks.harness import ROOT, Row, fresh, in_turns

_RECORDS = 20_000_000
_CAPTURE = """
import json, sys, fwmemtrace
from fwmemtrace import phase
fwmemtrace.start(sys.argv[1], probes=["native"], native_traces=sys.argv[2] == "native")
with phase("import"):
    import torch, sentence_transformers
with phase("work"):
    for size in range(100, 200):
        with phase("multiply"):
            torch.mm(torch.ones(size, size), torch.ones(size, size))
fwmemtrace.stop()
with fwmemtrace.read(sys.argv[1]).capture() as capture:
    open(sys.argv[3], "wb").write(capture.read_bytes())
print(json.dumps(True))
"""
# A real service's start and first requests: the imports again, a model's weights, and what each request allocates.
_GUARD = """
import json, sys, fwmemtrace
sys.path.insert(0, "examples")
fwmemtrace.start(sys.argv[1], probes=["native"], native_traces=True)
import guard
from fwmemtrace import phase
texts = [text for _, text in guard.read_prompts(guard.PROMPTS)]
service = guard.Guard()
for number in range(100):
    with phase("request"):
        service.check([f"{texts[number % len(texts)]} {number}"])
fwmemtrace.stop()
with fwmemtrace.read(sys.argv[1]).capture() as capture:
    open(sys.argv[2], "wb").write(capture.read_bytes())
print(json.dumps(True))
"""
# As much as one service may leave in a day: many records, and a heap of some hundred thousand blocks that changes.
_MANY = """
import json, sys, random, memray
from fwmemtrace.probes.native.markers_only import install
from fwmemtrace import phase
install()
random.seed(1)
with memray.Tracker(sys.argv[1], trace_python_allocators=True):
    kept = {}
    for batch in range(int(sys.argv[2]) // 450_000 + 1):
        with phase(f"batch {batch % 20}"):
            for number in range(50_000):
                kept[random.randrange(100_000)] = [str(number)]
print(json.dumps(True))
"""
# Processor time of the whole reading by phase, and of memray's reader alone, to tuples.
_SPEED = """
import json, sys, time
from fwmemtrace.capture import capture_file
from fwmemtrace.capture.by_phase import LocalCapture
def records_a_second(read):
    start = time.process_time()
    with LocalCapture(sys.argv[1]) as capture:
        read(capture)
        return capture.file.records / (time.process_time() - start)
def parse(capture):
    for batch in capture.file.batches():
        pass
def report(capture):
    capture.read()
    capture.summary()
read = records_a_second(report)
capture_file.parser_for = lambda path: None
print(json.dumps([read, records_a_second(parse)]))
"""
_PEAK = """
import json, resource, sys
from fwmemtrace.capture.by_phase import read_capture
summary = read_capture(sys.argv[1])
print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, summary.totals.allocations]))
"""


def run() -> list[Row]:
    """An import-heavy program's capture, plain and with native traces; the guard's; one of twenty million records."""
    with tempfile.TemporaryDirectory() as folder:
        plain, native, guard, many = (Path(folder) / f"{name}.bin" for name in ("plain", "native", "guard", "many"))
        fresh(_CAPTURE, f"{folder}/plain.trace", "plain", str(plain))
        fresh(_CAPTURE, f"{folder}/native.trace", "native", str(native))
        fresh(_GUARD, f"{folder}/guard.trace", str(guard))
        fresh(_MANY, str(many), str(_RECORDS))
        peak, allocations = fresh(_PEAK, str(many))
        read, by_memray = fresh(_SPEED, str(many))
        ours = ["-m", "fwmemtrace", "report", "--native"]
        stats = in_turns(_times([*ours, str(plain)]), _times(["-m", "memray", "stats", str(plain)]), 5)
        flame = ["-m", "memray", "flamegraph", "-f", "-o", f"{folder}/out.html"]
        graphs = [in_turns(_times([*ours, str(path)]), _times([*flame, str(path)]), 3) for path in (native, guard)]
        return [
            Row("records a second: read by phase", read, read, 1.0, 15e6, "", "at least"),
            Row("the same / memray's reader alone", read, by_memray, read / by_memray, 4.0, "", "at least"),
            Row("native report / memray stats", *stats, target=0.3, unit="ns"),
            Row("native report with native stacks / memray flamegraph", *graphs[0], target=0.025, unit="ns"),
            Row("the same of the guard and 100 requests", *graphs[1], target=0.025, unit="ns"),
            Row(f"peak RSS: {allocations * 2:,} records", peak, peak, 1.0, 500e6, "B", kind="at most"),
        ]


def _times(arguments: Sequence[str]):  # type: ignore[no-untyped-def]
    def measure() -> float:
        before = getrusage(RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        after = getrusage(RUSAGE_CHILDREN)
        return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e9

    return measure
