"""Shared by the tests of native allocations; memray itself checks the totals of its captures."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

import fwmemtrace
from fwmemtrace import core
from fwmemtrace.capture.by_phase import read_capture, samples_of
from fwmemtrace.paths import write
from fwmemtrace.trace import capture_of

memray = pytest.importorskip("memray")
NEEDS_CORE = pytest.mark.skipif(core.load()[0] is None, reason="only the compiled core's parser has the capture's maps")
MARKER_FILE = "<fwmemtrace>"
ARENA = 1 << 20  # what the interpreter maps when its small objects need more room
FIGURES = ("allocated_bytes", "allocations", "live_bytes", "at_peak_bytes", "file_backed_bytes")


@dataclass
class MemrayTotals:
    """memray's own totals of a capture, without the markers."""

    allocated_bytes: int
    allocations: int
    leaked_bytes: int
    peak_bytes: int
    markers: int


def memray_totals(path: Path) -> MemrayTotals:
    """Ask memray. All that is known of markers here is that the file of their innermost frame does not exist."""
    from memray._memray import compute_statistics

    statistics = compute_statistics(str(path))
    markers = [
        record.size
        for record in memray.FileReader(str(path)).get_allocation_records()
        if record.size
        and record.allocator not in (memray.AllocatorType.FREE, memray.AllocatorType.MUNMAP)
        and (stack := record.stack_trace(1))
        and stack[0][1] == MARKER_FILE
    ]
    leaked = sum(record.size for record in memray.FileReader(str(path)).get_leaked_allocation_records())
    return MemrayTotals(
        statistics.total_memory_allocated - sum(markers),
        statistics.total_num_allocations - len(markers),
        leaked,
        statistics.peak_memory_allocated,
        len(markers),
    )


def by_text(summary):
    """Return the summary with its rows and calls by the texts of their paths, which read better in a test."""
    return msgspec.structs.replace(
        summary,
        rows={write(path): row for path, row in summary.rows.items()},
        calls={write(path): calls for path, calls in summary.calls.items()},
    )


def asked(row, size):
    """Return the bytes that the stacks of a row allocated in blocks of exactly this size."""
    return sum(site.allocated_bytes for site in row.top if site.allocated_bytes == site.allocations * size)


def arenas(rows):
    """Return the bytes of the interpreter's arenas in all rows: they fall to whichever phase fills the last one."""
    return sum(asked(row, ARENA) for row in rows.values())


def assert_conserved(path: Path):
    """Assert that the rows of a capture add up to memray's own totals; return its summary, the rows by text."""
    summary = by_text(read_capture(path, top=1000))
    totals = memray_totals(path)
    rows = summary.rows.values()
    assert sum(row.allocated_bytes for row in rows) == totals.allocated_bytes
    assert sum(row.allocations for row in rows) == totals.allocations
    assert sum(row.live_bytes + row.file_backed_bytes for row in rows) == totals.leaked_bytes
    assert summary.markers == totals.markers
    assert_samples_add_up(path, summary)
    return summary


def assert_samples_add_up(path: Path, summary):
    """Assert that the samples of each phase add up to its row."""
    added = {path: dict.fromkeys(FIGURES, 0) for path in summary.rows}
    for sample in samples_of(path):
        row = added[write(sample.phase)]
        for figure in FIGURES:
            row[figure] += getattr(sample, figure) or 0
    for path, row in summary.rows.items():
        expected = {figure: getattr(row, figure) for figure in FIGURES if figure != "at_peak_bytes"}
        # Where the breakdown of the peak is unknown, the row has none and neither have the samples.
        assert added[path] == {**expected, "at_peak_bytes": row.peak_bytes if row.at_peak else 0}


def summaries(trace: Path):
    """Return the summaries of all processes of a trace, the main process first, after `assert_conserved`."""
    found = []
    for file in fwmemtrace.read(trace).files:
        with capture_of(file) as capture:
            assert capture is not None, file.path
            found.append(assert_conserved(capture))
    return found


def summary_of(trace: Path):
    """Return the summary of a trace of one process, after `assert_conserved`."""
    (only,) = summaries(trace)
    return only


def python(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the interpreter in a folder, with this package importable."""
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
    """Run a script in its own process and folder."""

    def run(text: str, *arguments: str, expect: int | None = 0, **environ: str) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "program.py"
        script.write_text(text)
        done = python(tmp_path, *arguments, str(script), **environ)
        if expect is not None:
            assert done.returncode == expect, done.stderr
        return done

    return run
