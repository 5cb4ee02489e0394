"""RSS figures that a probe's own memory is part of say so where they stand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace import results
from fwmemtrace.records import Overhead, SessionEnd
from fwmemtrace.reports.base import Options
from fwmemtrace.reports.terminal import TerminalReport
from fwmemtrace.sinks import MemorySink
from fwmemtrace.system.allocators import read_malloc_in_use

PROGRAM = """
import _tracemalloc, fwmemtrace
with fwmemtrace.session("trace.bin", probes=[{probe!r}], native_traces=True):
    with fwmemtrace.phase("work"):
        kept = [bytearray(600) for _ in range(50_000)]
    if _tracemalloc.is_tracing():
        print(_tracemalloc.get_tracemalloc_memory())
"""


def traced(folder: Path, probe: str) -> tuple[results.TraceReport, str]:
    """Run the program in a process of its own; return its report and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(probe=probe)], cwd=folder, capture_output=True, text=True, check=True
    )
    return fwmemtrace.read(folder / "trace.bin").summary(), done.stdout


def cost_of(report: results.TraceReport, probe: str) -> results.Overhead:
    return next(cost for cost in report.overhead if cost.probe == probe)


def text_of(report: results.TraceReport) -> str:
    return " ".join(TerminalReport().render(report, Options()).split())


def test_the_tables_of_tracemalloc_count(tmp_path: Path) -> None:
    report, printed = traced(tmp_path, "python_heap")
    assert cost_of(report, "python_heap").during_bytes >= int(printed) * 0.9
    assert "RSS figures include the overhead of python_heap (tracemalloc): +" in text_of(report)


def test_the_tables_of_memray_count(tmp_path: Path) -> None:
    pytest.importorskip("memray")
    if read_malloc_in_use() is None:
        pytest.skip("this C library does not tell what is in use")
    report, _ = traced(tmp_path, "native")
    tables = [
        record.rss_bytes
        for record in fwmemtrace.read(tmp_path / "trace.bin")
        if isinstance(record, Overhead) and record.probe == "native" and not record.wall_ns
    ]
    assert len(tables) == 1
    assert tables[0] > 10_000  # stacks, at the least
    assert cost_of(report, "native").during_bytes > 2_000_000  # memray's own modules are more
    assert "RSS figures include the overhead of native (memray): +" in text_of(report)


def test_a_light_run_has_no_such_line(tmp_path: Path) -> None:
    report, _ = traced(tmp_path, "imports")
    assert "include the overhead" not in text_of(report)


def test_the_cost_of_stopping_is_marked(tmp_path: Path) -> None:
    sink = MemorySink()
    with fwmemtrace.session(sink, probes=["collector"], interval=0):
        pass
    last = [record for record in sink.records if isinstance(record, Overhead) and record.probe == "collector"]
    assert [record.stopping for record in last][:2] == [False, True]
    assert isinstance(sink.records[-1], SessionEnd)


@pytest.mark.parametrize(("ended", "words"), [("closed", ": +90.0 MB."), ("not closed", ": at least +90.0 MB.")])
def test_a_session_without_an_end_knows_a_lower_bound(tmp_path: Path, ended: str, words: str) -> None:
    report, _ = traced(tmp_path, "imports")
    (process,) = report.trace.processes
    process.ended = ended  # type: ignore[assignment]
    process.peak_bytes = 1_000_000_000
    report.overhead = [
        results.Overhead(pid=process.pid, probe="native", wall_ns=1, rss_bytes=0, during_bytes=90_000_000),
        results.Overhead(pid=process.pid, probe="objects", wall_ns=1, rss_bytes=0, during_bytes=20_000_000),
    ]
    text = text_of(report)
    assert f"RSS figures include the overhead of native (memray){words}" in text
    assert "the overhead of objects" not in text


@pytest.mark.slow
@pytest.mark.parametrize(("size", "places"), [(19_000_000, 0), (90_000_000, 2), (110_000_000, 3)])
def test_imports_say_so_too_and_so_does_the_summary_if_it_is_much(tmp_path: Path, size: int, places: int) -> None:
    report, _ = traced(tmp_path, "imports")
    (process,) = report.trace.processes
    process.peak_bytes = 1_000_000_000
    report.import_packages = [
        results.ImportPackage(package="torch", own_bytes=1, own_ns=1, modules=1, phase="import", chain=[])
    ]
    report.overhead = [results.Overhead(pid=process.pid, probe="native", wall_ns=1, rss_bytes=0, during_bytes=size)]
    assert text_of(report).count("RSS figures include the overhead of native") == places
