"""The JSON report keeps the promise that docs/report.schema.json makes to other people's scripts."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import jsonschema
import msgspec

import fwmemtrace
from fwmemtrace import results
from fwmemtrace.reports.json import schema

DOCS = Path(__file__).parents[2] / "docs"


def contract_keys() -> dict[str, set[str]]:
    """The keys of version 1, which may be added to and never taken from."""
    return {
        "TraceReport": {"format", "version", "trace", "phases", "imports", "ledger", "growth", "advice", "budget"},
        "TraceInfo": {"complete", "lost_records", "damaged_bytes", "notes", "processes"},
        "Process": {"pid", "parent_pid", "python", "platform", "command", "started_unix_ns", "ended", "last_phase"},
        "PhaseRow": {
            "path",
            "pid",
            "calls",
            "errors",
            "wall_ns",
            "resident",
            "native",
            "python_heap",
            "objects",
            "tensors",
        },
        "Resident": {"before_bytes", "after_bytes", "delta_bytes", "peak_bytes"},
        "Native": {
            *("allocated_bytes", "allocations", "freed_bytes", "held_bytes", "live_bytes", "peak_bytes"),
            *("file_backed_bytes", "including_inner", "top"),
        },
        "NativeSite": {"live_bytes", "allocated_bytes", "allocations", "library", "stack"},
        "Frame": {"function", "file", "line"},
        "PythonHeap": {"delta_bytes", "peak_bytes", "top"},
        "HeapSite": {"file", "line", "size_bytes", "delta_bytes", "count", "delta_count"},
        "Objects": {"delta_count", "delta_bytes", "top"},
        "TypeGrowth": {"type", "delta_count", "delta_bytes"},
        "Tensors": {"live_bytes", "delta_bytes", "by_dtype", "file_backed_bytes"},
        "Import": {"module", "parent", "own_bytes", "cumulative_bytes", "wall_ns"},
        "Ledger": {"path", "rss_delta_bytes", "unexplained_bytes", "items"},
        "LedgerItem": {"category", "owner", "bytes"},
        "Growth": {"path", "calls", "slope_bytes_per_call", "low", "high", "verdict"},
        "Advice": {"title", "saves_bytes", "basis", "evidence", "phase"},
        "Budget": {"limit_bytes", "peak_bytes", "exceeded"},
    }


def test_no_key_of_the_contract_is_missing() -> None:
    for name, keys in contract_keys().items():
        struct = getattr(results, name)
        assert keys <= set(struct.__struct_fields__), name


def test_the_published_pages_are_those_of_the_code() -> None:
    done = runpy.run_path(str(DOCS / "make.py"))
    for name, make in done["PAGES"].items():
        published = (DOCS / name).read_text(encoding="utf-8")
        assert published == make(), f"docs/{name} is stale: run `python docs/make.py` and commit what it changes"


def test_a_real_report_keeps_the_schema(tmp_path: Path) -> None:
    with fwmemtrace.session(tmp_path / "trace.bin", interval=0):
        with fwmemtrace.phase("init", model="x"), fwmemtrace.phase("load"):
            pass
    report = json.loads(fwmemtrace.read(tmp_path / "trace.bin").report("json", budget="300MB"))
    jsonschema.validate(report, schema())
    assert (report["format"], report["version"]) == ("fwmemtrace-report", 1)
    init = report["phases"][0]
    assert init["path"] == "init"
    assert [init[probe] for probe in ("native", "python_heap", "objects", "tensors")] == [None] * 4
    assert [report[key] for key in ("imports", "ledger", "growth")] == [None] * 3
    assert msgspec.json.decode(msgspec.json.encode(report), type=results.TraceReport).phases[0].path == "init"
