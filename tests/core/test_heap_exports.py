"""The sampled heap in reports and in the formats of other tools: marked as sampled, with intervals, and adding up."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter

import pytest

import fwmemtrace
from fwmemtrace import plugins, results

pytestmark = pytest.mark.slow

_PROGRAM = """
import fwmemtrace
kept = []
def small(): kept.append([b"%d" % n * 20 for n in range(30_000)])
def large(): kept.extend(bytearray(50_000) for _ in range(100))
with fwmemtrace.session("trace.bin", probes=["heap"], sample_bytes="16KiB", interval=0):
    for _ in range(3):
        with fwmemtrace.phase("outer"):
            small()
            with fwmemtrace.phase("inner"):
                large()
                temporary = [bytearray(20_000) for _ in range(200)]
                del temporary
"""


@pytest.fixture
def trace(run_program, tmp_path):
    run_program(_PROGRAM)
    return fwmemtrace.read(tmp_path / "trace.bin")


def heaps(trace: fwmemtrace.Trace) -> dict[str, results.Heap]:
    return {row.path: row.heap for row in trace.phases if row.heap is not None}


def export(trace, to, path, **options):
    plugins.load("fwmemtrace.exporters", to)(**options).export(trace, path)
    return path


def near(figure: float, total: float) -> bool:
    return abs(figure - total) <= 0.001 * total + 100  # each stack is rounded


def test_flame_graphs_add_up_to_the_phases(trace, tmp_path):
    live = {path: heap.live_bytes for path, heap in heaps(trace).items()}
    content = json.loads(export(trace, "speedscope", tmp_path / "x.json").read_text())
    profiles = {profile["name"].partition(": ")[2]: profile for profile in content["profiles"]}
    assert set(profiles) == {"sampled live", "sampled allocated", "sampled live at the phase's peak"}
    assert content["profiles"][content["activeProfileIndex"]]["name"].endswith(": sampled live")
    frames = [frame["name"] for frame in content["shared"]["frames"]]
    sums: Counter[str] = Counter()
    for sample, weight in zip(profiles["sampled live"]["samples"], profiles["sampled live"]["weights"], strict=True):
        names = [frames[at] for at in sample]
        sums["outer/inner" if names[:2] == ["outer", "inner"] else names[0]] += weight
    assert near(sums["outer"], live["outer"])
    assert near(sums["outer/inner"], live["outer/inner"])
    allocated = sum(profiles["sampled allocated"]["weights"])
    assert near(allocated, sum(heap.allocated_bytes for heap in heaps(trace).values()))

    lines = export(trace, "collapsed", tmp_path / "x.txt").read_text().splitlines()
    assert near(sum(int(line.rpartition(" ")[2]) for line in lines), sum(live.values()))
    with gzip.open(export(trace, "pprof", tmp_path / "x.pb.gz")) as file:
        content = file.read()
    assert b"sampled_inuse_space" in content
    assert b"_low" not in content, "bounds do not add up"


def test_tables_have_the_bounds(trace, tmp_path):
    folder = export(trace, "csv", tmp_path / "tables")
    with (folder / "phases.csv").open() as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    for path, heap in heaps(trace).items():
        names = ("live", "live_low", "live_high", "peak", "allocated")
        assert [int(rows[path][f"sampled_{name}_bytes"]) for name in names] == [
            getattr(heap, f"{name}_bytes") for name in names
        ]
    with (folder / "stacks.csv").open() as file:
        stacks = list(csv.DictReader(file))
    assert stacks
    for row in stacks:
        low, live, high = (int(row[f"sampled_inuse{bound}_space_bytes"]) for bound in ("_low", "", "_high"))
        assert low <= live <= high


def test_perfetto_has_a_counter_for_each_phase(trace, tmp_path):
    events = json.loads(export(trace, "perfetto", tmp_path / "x.json").read_text())["traceEvents"]
    counters = {event["name"]: event["args"] for event in events if event["name"].startswith("sampled live: ")}
    heap = heaps(trace)["outer/inner"]
    assert counters["sampled live: outer/inner"] == {
        "bytes": heap.live_bytes,
        "low": heap.live_low_bytes,
        "high": heap.live_high_bytes,
    }


@pytest.mark.parametrize("format", ["text", "markdown"])
def test_reports_mark_sampled_figures_and_show_intervals(trace, format):
    report = trace.report(format)
    assert "Sampled heap" in report
    assert "95% CI of live" in report
    assert "sampled live" in report


def test_the_page_has_all_stacks(trace):
    details = trace.details(trace.summary(), source=False)
    tree = details.processes[0].sampled
    assert tree is not None
    assert tree.metrics == ["live", "at peak", "allocated"]
    sums = [sum(values) for values in tree.values]
    assert near(sums[0], sum(heap.live_bytes for heap in heaps(trace).values()))
    assert near(sums[2], sum(heap.allocated_bytes for heap in heaps(trace).values()))
    assert "Sampled heap" in trace.report("html")
