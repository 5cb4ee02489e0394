"""Advice from one run: only what its trace tells, with its figures."""

from __future__ import annotations

import pytest

from fwmemtrace import results
from fwmemtrace.reports.advice import advice_of

MB = 1_000_000


def report(**parts):
    info = results.TraceInfo(complete=True, lost_records=0, damaged_bytes=0, notes=[], processes=[])
    return results.TraceReport(trace=info, phases=[], **parts)


def growth(verdict, rise):
    return results.Growth(
        path="request",
        calls=100,
        slope_bytes_per_call=rise / 100,
        low=rise / 100,
        high=rise / 100,
        verdict=verdict,
        rise_bytes=rise,
    )


def test_a_phase_that_grows_is_to_be_limited():
    (advice,) = advice_of(report(growth=[growth("growing", 40 * MB)]))
    assert advice == results.Advice(
        title="Limit what request keeps from call to call",
        saves_bytes=40 * MB,
        basis="computed",
        evidence="RSS grows by 400.0 kB per call over 100 calls",
        phase="request",
    )


@pytest.mark.parametrize(("verdict", "rise"), [("flat", 40 * MB), ("saturating", 40 * MB), ("growing", 2 * MB)])
def test_nothing_is_advised_for_a_phase_that_does_not_grow_much(verdict, rise):
    assert advice_of(report(growth=[growth(verdict, rise)])) == []


def test_free_memory_of_malloc_is_to_be_trimmed():
    item = results.LedgerItem(category="allocator free", owner="malloc", bytes=50 * MB)
    row = results.Composition(pid=1, moment="end", path="main", rss_bytes=90 * MB, unexplained_bytes=0, items=[item])
    (advice,) = advice_of(report(composition=[row]))
    assert (advice.saves_bytes, advice.phase) == (50 * MB, "main")
    assert advice.evidence == "50.0 MB was free in malloc at the end and still resident"
