"""What the tests of native allocations share: memray itself as the judge of its captures."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

import fwmemtrace
from fwmemtrace.capture.by_phase import read_capture
from fwmemtrace.paths import write
from fwmemtrace.trace import capture_of

memray = pytest.importorskip("memray")
MARK = "<fwmemtrace>"


@dataclass
class Verdict:
    """memray's own figures for a capture, those of the marks apart."""

    allocated_bytes: int
    allocations: int
    leaked_bytes: int
    peak_bytes: int
    marks: int


def judge(path: Path) -> Verdict:
    """Ask memray, knowing of marks only that the file of their innermost frame is not one."""
    from memray._memray import compute_statistics

    statistics = compute_statistics(str(path))
    marks = [
        record.size
        for record in memray.FileReader(str(path)).get_allocation_records()
        if record.size
        and record.allocator not in (memray.AllocatorType.FREE, memray.AllocatorType.MUNMAP)
        and (stack := record.stack_trace(1))
        and stack[0][1] == MARK
    ]
    leaked = sum(record.size for record in memray.FileReader(str(path)).get_leaked_allocation_records())
    return Verdict(
        statistics.total_memory_allocated - sum(marks),
        statistics.total_num_allocations - len(marks),
        leaked,
        statistics.peak_memory_allocated,
        len(marks),
    )


def by_text(summary):
    """The summary of a capture with its rows and calls by the texts of their paths: they read better in a test."""
    return msgspec.structs.replace(
        summary,
        rows={write(path): row for path, row in summary.rows.items()},
        calls={write(path): calls for path, calls in summary.calls.items()},
    )


def assert_conserved(path: Path):
    """The rows of a capture add up to memray's own totals, to the byte; returns its summary, the rows by text."""
    summary = by_text(read_capture(path, top=1000))
    verdict = judge(path)
    rows = summary.rows.values()
    assert sum(row.allocated_bytes for row in rows) == verdict.allocated_bytes
    assert sum(row.allocations for row in rows) == verdict.allocations
    assert sum(row.live_bytes + row.file_backed_bytes for row in rows) == verdict.leaked_bytes
    assert summary.marks == verdict.marks
    return summary


def summaries(trace: Path):
    """The conserved summaries of all processes of a trace, the first one's first."""
    found = []
    for file in fwmemtrace.read(trace).files:
        with capture_of(file) as capture:
            assert capture is not None, file.path
            found.append(assert_conserved(capture))
    return found


def summary_of(trace: Path):
    """The same for a trace of one process."""
    (only,) = summaries(trace)
    return only


def python(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the interpreter in a folder, this package at hand."""
    source = str(Path(fwmemtrace.__file__).parents[1])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": source, **environ},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture
def run(tmp_path):
    """Run a script in a process of its own, in a folder of its own."""

    def run(text: str, *arguments: str, expect: int | None = 0, **environ: str) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "program.py"
        script.write_text(text)
        done = python(tmp_path, *arguments, str(script), **environ)
        if expect is not None:
            assert done.returncode == expect, done.stderr
        return done

    return run
