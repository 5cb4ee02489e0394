"""What has changed since an earlier run, and where that run is looked for."""

from __future__ import annotations

import shutil

import pytest

from fwmemtrace.analysis.suite.comparison import compare
from fwmemtrace.cli.earlier_run import earlier_run
from fwmemtrace.errors import TraceFileError
from fwmemtrace.results.suite import Spread, Suite, SuiteComponent

from .conftest import PLANTED, run_suite

MB = 1_000_000


def spread(low, high):
    return Spread(median_bytes=low, low_bytes=low, high_bytes=high, runs=2)


def suite(service, **held):
    components = [SuiteComponent(name=name, outcome="ok", held=figure) for name, figure in held.items()]
    return Suite(
        file="s.py",
        repeat=2,
        bare_bytes=0,
        memory_limit_bytes=0,
        limited_by="",
        components=components,
        service=service,
    )


def test_a_change_is_clear_if_the_runs_do_not_overlap():
    before = suite(spread(90, 95), same=spread(10, 14), smaller=spread(50, 52), gone=spread(5, 5))
    after = suite(spread(60, 61), same=spread(12, 13), smaller=spread(20, 22), new=spread(7, 7))
    found = compare(before, after, "yesterday")
    assert (found.service.change_bytes, found.service.clear) == (-30, True)
    rows = {row.name: (row.change_bytes, row.clear) for row in found.components}
    assert rows == {"same": (2, False), "smaller": (-30, True), "gone": (None, False), "new": (None, False)}


def test_what_is_no_run_of_a_suite(tmp_path):
    with pytest.raises(TraceFileError, match="no run of a suite there; keep runs with --report-dir"):
        earlier_run(str(tmp_path / "LAST"))
    with pytest.raises(TraceFileError):
        earlier_run(str(tmp_path / "missing.bin"))


@pytest.mark.slow
def test_the_last_of_the_runs_kept_is_compared_with(tmp_path):
    kept = tmp_path / "reports"
    for number, name in enumerate(("2026-01-01-000000-s", "2026-01-02-000000-s")):
        folder = tmp_path / str(number)
        folder.mkdir()
        only = ("--only", "gate", "--only", "index", "--quick", "--repeat", "1")
        done = run_suite(PLANTED / "out_of_reach.py", folder / "trace.bin", *only)
        assert done.status == 0, done.errors
        (kept / name).parent.mkdir(exist_ok=True)
        shutil.copytree(folder, kept / name)
    done = run_suite(
        PLANTED / "out_of_reach.py",
        tmp_path / "now.bin",
        "--against",
        str(kept / "LAST"),
        *only,
        "--format",
        "markdown",
    )
    assert "Since `2026-01-02-000000-s`, the peak of the service has " in done.output
    assert "## Changes" in done.output
