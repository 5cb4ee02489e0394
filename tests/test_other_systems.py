"""macOS and Windows, as far as Linux can imitate them: no /proc, no control group, no fork hooks, no memray."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.recording.workers import worker_path
from fwmemtrace.records import CgroupReading, Footprint, Note, PhaseBegin, PhaseEnd, PythonHeap, Sample, SessionBegin
from fwmemtrace.sinks.memory import MemorySink
from fwmemtrace.system import proc

MB = 1_000_000


@pytest.fixture
def no_proc(monkeypatch, tmp_path):
    """A system without /proc and control groups."""
    monkeypatch.setattr(proc, "PROC", str(tmp_path / "none"))


def of_kind(sink, kind):
    return [record for record in sink.records if isinstance(record, kind)]


def test_psutil_takes_over(no_proc, new_memory):
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0), phase("outer"):
        kept = new_memory(50 * MB)
    (session,) = of_kind(sink, SessionBegin)
    (begin,), (end,) = of_kind(sink, PhaseBegin), of_kind(sink, PhaseEnd)
    assert session.rss_bytes > 0
    assert abs(end.rss_bytes - begin.rss_bytes - len(kept)) < 2 * MB
    assert end.peak_rss_bytes >= end.rss_bytes
    assert of_kind(sink, CgroupReading) == []
    assert [(reading.span, reading.edge) for reading in of_kind(sink, Footprint)] == [
        (begin.span, "begin"),
        (begin.span, "end"),
        (0, "end"),
    ]


def test_the_trace_says_that_peaks_are_readings(no_proc):
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0):
        pass
    assert of_kind(sink, SessionBegin)[0].peak_source == "sampled"
    assert any("high-water mark cannot be reset" in note.message for note in of_kind(sink, Note))


def test_no_note_if_exact_peaks_are_switched_off(no_proc):
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0, exact_peak=False):
        pass
    assert of_kind(sink, Note) == []


def test_the_timeline_finds_a_peak_that_the_edges_miss(no_proc, new_memory):
    sink = MemorySink()
    with fwmemtrace.session(sink, interval="5ms"), phase("spike"):
        spike = new_memory(80 * MB)
        # Written by the timeline's thread while the spike is there; the phase itself reads RSS only at its edges.
        wait_for_sample(sink, above=of_kind(sink, PhaseBegin)[0].rss_bytes + 70 * MB)
        spike.close()
    (begin,), (end,) = of_kind(sink, PhaseBegin), of_kind(sink, PhaseEnd)
    assert end.peak_rss_bytes - begin.rss_bytes > 70 * MB
    assert end.rss_bytes - begin.rss_bytes < 10 * MB


def wait_for_sample(sink, above):
    deadline = time.monotonic() + 300
    while not any(sample.rss_bytes > above for sample in of_kind(sink, Sample)):
        assert time.monotonic() < deadline, "the timeline wrote no sample"
        time.sleep(0.005)


def test_a_report_can_be_made(no_proc, tmp_path, new_memory):
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(path), phase("init"):
        kept = new_memory(30 * MB)
    trace = fwmemtrace.read(path)
    row = next(row for row in trace.phases if row.path == "init")
    assert row.resident is not None
    assert abs(row.resident.delta_bytes - len(kept)) < 2 * MB
    assert trace.summary().trace.processes[0].peak_source == "sampled"
    for format in ("text", "markdown", "json"):
        assert "high-water mark cannot be reset" in " ".join(trace.report(format).split())


def test_python_heap_works_without_proc(no_proc):
    sink = MemorySink()
    with fwmemtrace.session(sink, probes=["python_heap"], interval=0), phase("init"):
        kept = [bytes(1000) for _ in range(1000)]
    (heap,) = of_kind(sink, PythonHeap)
    assert heap.after_bytes - heap.before_bytes >= len(kept) * 1000


def test_a_missing_memray_is_reported_once_and_the_rest_works(no_proc, monkeypatch):
    monkeypatch.setitem(sys.modules, "memray", None)
    sink = MemorySink()
    with pytest.warns(RuntimeWarning, match="native"), fwmemtrace.session(sink, probes=["native"], interval=0):
        with phase("one"), phase("two"):
            pass
    notes = [note for note in of_kind(sink, Note) if note.source == "native"]
    assert len(notes) == 1
    assert "memray" in notes[0].message
    assert len(of_kind(sink, PhaseEnd)) == 2


def test_a_required_memray_is_an_error(no_proc, monkeypatch):
    monkeypatch.setitem(sys.modules, "memray", None)
    with pytest.raises(fwmemtrace.ProbeUnavailable, match="memray"):
        fwmemtrace.session(MemorySink(), required=["native"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fwmemtrace.session(MemorySink()):  # nothing of the failed one is left behind
            pass


def test_a_python_without_posix_functions(tmp_path):
    """A Python that lacks what Windows lacks: the functions are taken away before fwmemtrace is imported."""
    code = """
        import os, sys, psutil  # psutil itself uses some of them on Linux
        sys.modules["resource"] = None
        for name in ("pread", "sysconf", "register_at_fork", "fork", "O_CLOEXEC"):
            if hasattr(os, name):
                delattr(os, name)
        import fwmemtrace
        with fwmemtrace.session(sys.argv[1], interval="10ms"), fwmemtrace.phase("init"):
            kept = bytearray(20_000_000)
        print(fwmemtrace.read(sys.argv[1]).report("text"))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "trace.bin")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "init" in done.stdout
    assert done.stderr == ""


def test_a_worker_trace_has_a_name_of_its_own():
    assert worker_path(Path("trace.bin"), 12) == Path("trace.12.bin")
