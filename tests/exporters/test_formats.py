"""What is in each format: figures that equal the report's, and names as text."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fwmemtrace import plugins
from fwmemtrace.paths import write
from fwmemtrace.reports.visible import visible
from fwmemtrace.trace import Trace

from .conftest import ODD_NAMES

pytestmark = pytest.mark.slow

FORMATS = ["speedscope", "perfetto", "collapsed", "jsonl", "csv"]


def export(trace: Trace, to: str, path: Path, **options: str) -> Path:
    plugins.load("fwmemtrace.exporters", to)(**options).export(trace, path)
    return path


def native_live(trace: Trace) -> dict[str, int]:
    return {row.path: row.native.live_bytes for row in trace.phases if row.native is not None}


def test_speedscope_has_a_profile_for_each_metric_whose_sums_are_the_report_s(native_trace: Trace, tmp_path: Path):
    content = json.loads(export(native_trace, "speedscope", tmp_path / "x.json").read_text())
    frames = content["shared"]["frames"]
    profiles = {profile["name"].partition(": ")[2]: profile for profile in content["profiles"]}
    assert {"native live", "native allocated", "native allocations", "RSS rises"} <= set(profiles)
    assert content["profiles"][content["activeProfileIndex"]]["name"].endswith(": native live")
    profile = profiles["native live"]
    assert profile["unit"] == "bytes"
    assert profile["endValue"] == sum(profile["weights"]) == sum(native_live(native_trace).values())
    by_phase: Counter[str] = Counter()
    for sample, weight in zip(profile["samples"], profile["weights"], strict=True):
        by_phase[frames[sample[0]]["name"]] += weight
    live = native_live(native_trace)
    assert by_phase["init"] == live["init"] + live["init/load"]
    assert {visible(name) for name in ODD_NAMES} <= set(by_phase)
    assert profiles["native allocations"]["unit"] == "none"


def test_collapsed_stacks_add_up_to_the_report(native_trace: Trace, tmp_path: Path):
    lines = export(native_trace, "collapsed", tmp_path / "x.txt").read_text().splitlines()
    pairs = [line.rpartition(" ") for line in lines]
    assert sum(int(value) for _, _, value in pairs) == sum(native_live(native_trace).values())
    assert any(stack.startswith("init;load;") and "grab" in stack for stack, _, _ in pairs)
    rises = export(native_trace, "collapsed", tmp_path / "y.txt", metric="rss_rises").read_text()
    assert rises != "\n".join(lines)


def test_stacks_without_memray_are_rises_and_the_python_heap(rises_trace: Trace, tmp_path: Path):
    table = rises_trace.processes[0].stacks()
    assert [metric.name for metric in table.metrics] == ["rss_rises", "rss_at_peak", "python_heap_growth"]
    rises = sum(rise.bytes for rise in (rises_trace.summary().rises or [])[0].stacks)
    assert sum(value for _, _, value in table.values_of("rss_rises")) == rises
    grown = {write(path): value for path, stack, value in table.values_of("python_heap_growth") if value > 10**7}
    assert list(grown) == ["init/load"]


def test_live_allocations_are_counted(native_trace: Trace):
    table = native_trace.processes[0].stacks()
    counts = {}
    for path, _, count in table.values_of("inuse_objects"):
        counts[write(path)] = counts.get(write(path), 0) + count
    # One bytearray, and what Python allocated for the phase and the list.
    assert 1 <= counts["init/load"] <= 20
    at = {metric.name: number for number, metric in enumerate(table.metrics)}
    for values in table.rows.values():
        assert values[at["inuse_objects"]] <= values[at["alloc_objects"]]
        assert bool(values[at["inuse_objects"]]) == bool(values[at["inuse_space"]])


def test_perfetto_s_slices_nest_and_tasks_are_apart(rises_trace: Trace, tmp_path: Path):
    events = json.loads(export(rises_trace, "perfetto", tmp_path / "x.json").read_text())["traceEvents"]
    slices = [event for event in events if event["ph"] == "X"]
    threads = {event["tid"] for event in slices}
    assert len(threads) == 2
    for thread in threads:
        open_until: list[float] = []
        for event in sorted((e for e in slices if e["tid"] == thread), key=lambda e: (e["ts"], -e["dur"])):
            while open_until and open_until[-1] <= event["ts"]:
                open_until.pop()
            assert not open_until or event["ts"] + event["dur"] <= open_until[-1]
            open_until.append(event["ts"] + event["dur"])
    begun = Counter(event["id2"]["local"] for event in events if event["ph"] == "b")
    assert Counter(event["id2"]["local"] for event in events if event["ph"] == "e") == begun
    names = Counter(event["name"] for event in events if event["ph"] in "Xb")
    assert names["task"] == 4
    assert sum(begun.values()) >= 3  # tasks take turns, so at most one of them nests in its thread
    assert {visible(name) for name in ODD_NAMES} <= set(names)
    counters = {event["name"] for event in events if event["ph"] == "C"}
    assert {"RSS", "resident: file"} <= counters
    load = next(event for event in slices if event["name"] == "load")
    assert abs(load["args"]["rss_change_bytes"] - 30_000_000) < 1_000_000
    assert {event["name"] for event in events if event["ph"] == "M"} == {"process_name", "thread_name"}


def test_json_lines_are_the_records(rises_trace: Trace, tmp_path: Path):
    lines = export(rises_trace, "jsonl", tmp_path / "x.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert len(records) == len(rises_trace)
    assert records[0]["record"] == "SessionBegin"
    assert {record["pid"] for record in records} == {rises_trace.processes[0].pid}


def test_csv_tables_equal_the_report(rises_trace: Trace, tmp_path: Path):
    folder = export(rises_trace, "csv", tmp_path / "tables")
    tables = {path.stem: list(csv.DictReader(path.open(newline=""))) for path in folder.iterdir()}
    assert set(tables) == {"phases", "imports", "ledger", "timeline", "stacks", "tensors"}
    changes = {row["path"]: row["rss_delta_bytes"] for row in tables["phases"]}
    for phase in rises_trace.phases:
        assert phase.resident is not None
        assert changes[visible(phase.path)] == str(phase.resident.delta_bytes)
    for entry in rises_trace.ledger() or []:
        items = [int(row["bytes"]) for row in tables["ledger"] if row["path"] == visible(entry.path)]
        assert sum(items) == entry.rss_delta_bytes
    one = export(rises_trace, "csv", tmp_path / "phases.csv", table="phases")
    assert one.read_text() == (folder / "phases.csv").read_text()


@pytest.mark.parametrize("to", FORMATS)
def test_no_format_has_a_control_character_of_a_name(rises_trace: Trace, tmp_path: Path, to: str):
    out = export(rises_trace, to, tmp_path / "out")
    for path in [out] if out.is_file() else out.iterdir():
        text = path.read_text("utf-8")
        raw = {character for character in text if not character.isprintable()} - {"\n"}
        assert raw == set()
        if to in ("perfetto", "jsonl") or path.stem == "phases":  # others have what was allocated where, or imported
            assert "L" * 10_000 in text


@pytest.mark.parametrize(("to", "unpack"), [("pprof", gzip.decompress), ("otlp-profiles", bytes)])
def test_profiles_have_no_control_character_either(native_trace: Trace, tmp_path: Path, to: str, unpack: Any):
    content = unpack(export(native_trace, to, tmp_path / "x").read_bytes())
    assert b"\\x1b[31mred\\x07" in content
    assert b"\x1b[31m" not in content
    assert b"lone \\\\ud800" in content or b"lone \\ud800" in content


def test_the_tables_as_data_frames(rises_trace: Trace):
    pandas = pytest.importorskip("pandas")
    frames = rises_trace.to_pandas()
    phases = frames["phases"].set_index("path")
    assert phases.loc["init/load", "rss_delta_bytes"] == rises_trace["init/load"].resident.delta_bytes
    assert phases["native_live_bytes"].isna().all()
    assert phases["rss_delta_bytes"].dtype == pandas.Int64Dtype()


def test_the_tables_in_arrow_and_polars(rises_trace: Trace):
    pytest.importorskip("pyarrow")
    pytest.importorskip("polars")
    arrow, polars = rises_trace.to_arrow(), rises_trace.to_polars()
    for name, table in arrow.items():
        assert table.num_rows == polars[name].height
        assert table.column_names == polars[name].columns
        assert table.to_pylist() == polars[name].to_dicts()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--to", "collapsed", "--metric", "rss_rise"],
            "unknown metric 'rss_rise' in this trace; did you mean 'rss_rises'?",
        ),
        (["--to", "csv", "--table", "phase"], "unknown table 'phase'; did you mean 'phases'?"),
        (["--to", "perfetto", "--table", "phases"], "--table is not an option of the format perfetto"),
        (["--to", "speedscop"], "unknown exporter 'speedscop'; did you mean 'speedscope'?"),
    ],
)
def test_wrong_options_are_one_line(rises_trace: Trace, words: list[str], message: str, tmp_path: Path):
    command = [sys.executable, "-m", "fwmemtrace", "export", str(rises_trace.processes[0].path), *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"fwmemtrace: {message}\n")
    assert list(tmp_path.iterdir()) == []
