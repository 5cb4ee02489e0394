"""Figures of the processes of a suite, from made-up reports."""

from __future__ import annotations

import pytest

from fwmemtrace import results
from fwmemtrace.analysis.suite.figures import whole_peak
from fwmemtrace.analysis.suite.plan_growth import still_growing
from fwmemtrace.analysis.suite.reading import SuiteProcess, SuiteRecords
from fwmemtrace.records import SuiteRun
from fwmemtrace.results.suite import SuiteComponent, SuiteGrowth

MB = 1_000_000


def process(*phases):
    """A process with these phases: their path, RSS before and after, and the peak."""
    rows = [
        results.PhaseRow(
            path=path,
            pid=1,
            calls=1,
            errors=0,
            wall_ns=1,
            name=path.rpartition("/")[2],
            resident=results.Resident(
                before_bytes=before * MB,
                after_bytes=after * MB,
                delta_bytes=(after - before) * MB,
                peak_bytes=peak * MB,
            ),
        )
        for path, before, after, peak in phases
    ]
    info = results.TraceInfo(complete=True, lost_records=0, damaged_bytes=0, notes=[], processes=[])
    run = SuiteRun(1, "guard", "resident", 0, "", "ok", "", "", 1)
    return SuiteProcess(run, results.TraceReport(trace=info, phases=rows), SuiteRecords())


def test_what_the_suite_tries_afterwards_is_not_part_of_the_peak():
    done = process(
        ("import", 20, 21, 21),
        ("batch", 21, 60, 65),
        ("after trim", 70, 62, 70),
        ("batch again", 62, 80, 80),
        ("batch again/request", 62, 80, 80),
    )
    assert whole_peak(done) == 45 * MB


def grown(verdict):
    growth = SuiteGrowth(requests=100, bytes_per_request=float(MB), verdict=verdict)
    return SuiteComponent(name="cache", outcome="ok", growth=growth)


@pytest.mark.parametrize(("verdict", "grows"), [("growing", True), ("saturating", False), ("flat", False)])
def test_only_steady_growth_goes_on(verdict, grows):
    assert bool(still_growing([grown(verdict)])) is grows


@pytest.mark.parametrize(("after", "grows"), [(120, True), (30, False)])
def test_a_change_that_bounds_a_component_ends_its_growth(after, grows):
    changed = process(("cache/batch", 20, after, after))
    assert bool(still_growing([grown("growing")], changed)) is grows
