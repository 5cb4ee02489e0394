"""The main job, for real: the guard on torch and MiniLM is traced, and its report names what holds the memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace import results

GUARD = Path(__file__).parents[1] / "examples" / "guard.py"
MB = 10**6

pytestmark = pytest.mark.guard


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("guard")
    environ = {**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "120"}
    command = [sys.executable, "-m", "fwmemtrace", "run", "--report", str(GUARD)]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "trace.bin", done.stdout


@pytest.fixture(scope="module")
def report(traced: tuple[Path, str]) -> results.TraceReport:
    return fwmemtrace.read(traced[0]).summary()


def delta(report: results.TraceReport, end: str) -> int:
    (row,) = [row for row in report.phases if row.path.endswith(end)]
    assert row.resident is not None
    return row.resident.delta_bytes


def test_the_guard_s_memory_is_reported_where_it_came_in(report: results.TraceReport) -> None:
    assert delta(report, "init/import torch") > 100 * MB
    assert delta(report, "init/import sentence_transformers") > 100 * MB
    assert delta(report, "init/load model") > 10 * MB
    assert delta(report, "main/first request") > 30 * MB


def test_the_phases_add_up_to_the_process(report: results.TraceReport) -> None:
    (process,) = report.trace.processes
    outermost = [row for row in report.phases if row.path and row.parent is None]
    total = process.before_session_bytes + process.outside_phases_bytes - process.overlap_bytes
    total += sum(row.resident.delta_bytes for row in outermost if row.resident)
    assert abs(total - process.end_bytes) < MB
    assert process.uss_bytes is not None
    assert abs(process.end_bytes - (process.uss_bytes + _shared(report))) < 20 * MB


def _shared(report: results.TraceReport) -> int:
    """What is in other processes' maps too, by the ledger's last reading."""
    (end,) = [made for made in report.composition or [] if made.moment == "end"]
    return sum(item.bytes - item.private_bytes for item in end.items)


def test_the_ledger_explains_each_of_its_phases(report: results.TraceReport) -> None:
    assert report.ledger
    for row in report.ledger:
        assert row.unexplained_bytes + sum(item.bytes for item in row.items) == row.rss_delta_bytes
        if row.read_calls == row.calls:
            allowed = max(2 * MB, 0.05 * abs(row.rss_delta_bytes))
            assert abs(row.unexplained_bytes) <= allowed, row.path


def test_packages_that_the_guard_never_asked_for_are_named(report: results.TraceReport) -> None:
    packages = {package.package: package for package in report.import_packages or []}
    assert packages["torch"].own_bytes > 100 * MB
    scipy = packages["scipy"]
    assert scipy.own_bytes > 10 * MB
    assert scipy.chain[0] == "sentence_transformers"
    assert scipy.phase.endswith("import sentence_transformers")


def test_the_summary_names_the_imports_with_the_lines_that_import_them(traced: tuple[Path, str]) -> None:
    head = " ".join(traced[1].split("attacks blocked")[1].split("phase  ")[0].split())
    assert re.search(r"Summary [\d.]+ MB of the [\d.]+ MB are imports: ", head)
    assert re.search(r"[\d.]+ MB of torch \(examples/guard\.py:\d+: torch [\d.]+ MB", head)
    assert re.search(r"[\d.]+ MB of sentence_transformers \(examples/guard\.py:\d+: [^)]*scipy [\d.]+", head)
    for line in ("before the session", "├ import torch", "├ first request", "outside any phase", "at the end"):
        assert line in traced[1]


def test_json_and_markdown_are_made_from_the_same_trace(traced: tuple[Path, str], report: results.TraceReport) -> None:
    trace = fwmemtrace.read(traced[0])
    made = json.loads(trace.report("json"))
    assert [row["path"] for row in made["phases"]] == [row.path for row in report.phases]
    markdown = trace.report("markdown")
    assert "| ├&nbsp;`init` | +" in markdown
    assert "import torch" in markdown


def test_a_native_session_adds_up_to_memray_s_own_totals(tmp_path: Path) -> None:
    import memray
    from memray._memray import compute_statistics

    environ = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "fwmemtrace", "run", "--probes", "native", str(GUARD)]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    with trace.capture() as path:
        from fwmemtrace.capture.by_phase import read_capture

        summary = read_capture(path)
        stats = compute_statistics(str(path))
        with memray.FileReader(path) as reader:
            leaked = sum(record.size for record in reader.get_leaked_allocation_records(merge_threads=True))
    rows = summary.rows.values()
    assert sum(row.allocated_bytes for row in rows) + summary.marker_bytes == stats.total_memory_allocated
    assert sum(row.allocations for row in rows) + summary.markers == stats.total_num_allocations
    assert sum(row.live_bytes + row.file_backed_bytes for row in rows) == leaked
    (load,) = [row for row in trace.phases if row.path.endswith("load model")]
    assert load.native is not None
    assert load.native.file_backed_bytes > 80 * MB  # the weights are mapped
    assert load.native.live_bytes < 40 * MB  # and no heap


def test_the_page_of_the_guard_is_small(traced: tuple[Path, str]) -> None:
    page = fwmemtrace.read(traced[0]).report("html")
    assert "guard = Guard()" in page  # a line of the program itself
    assert len(page.encode()) < MB
