"""Rises of RSS, folded by phase and stack."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace.analysis.rises import RisesFold
from fwmemtrace.paths import OUTSIDE
from fwmemtrace.records import (
    ModuleImport,
    PagesCopied,
    PhaseBegin,
    PhaseEnd,
    RssChange,
    SampledStack,
    SessionBegin,
    SessionEnd,
)

MB = 1_000_000
OWN = "/srv/app.py"
NUMPY = "/venv/lib/python3.11/site-packages/numpy/core.py"


def begin(rss):
    return SessionBegin(1, "id", 1, 0, "0", "3.11", "linux", [], 0, 0, rss, rss, "kernel", [], {})


def imported(module, size):
    return ModuleImport(0, module, None, "app:1", 0, 11, 2, size, size, 1, 1)


def fold(*records):
    made = RisesFold(lambda file: file == OWN)
    for record, path in records:
        made.add(record, path)
    return made


def test_rises_of_a_phase_add_up_by_stack():
    made = fold(
        (begin(100), OUTSIDE),
        (SampledStack(1, [("ones", NUMPY, 5), ("load", OWN, 7), ("main", OWN, 9)]), OUTSIDE),
        (PhaseBegin(1, 0, "init", 11, 0, 100), ("init",)),
        (RssChange(1, 130, 30, 11, 1), OUTSIDE),
        (RssChange(2, 150, 20, 11, 1), OUTSIDE),
        (PhaseEnd(1, 3, 150, 150), ("init",)),
        (RssChange(4, 155, 5, 11, 1), OUTSIDE),
        (RssChange(5, 140, -15, 0, 0), OUTSIDE),
        (SessionEnd(6, 141, 155, 0), OUTSIDE),
    )
    result = made.result(7)
    assert [(rise.path, rise.bytes, rise.looks, rise.package) for rise in result.stacks] == [
        ("init", 50, 2, "numpy"),
        ("", 5, 1, "numpy"),
    ]
    line = result.stacks[0].line
    assert (line.function, line.file, line.line) == ("load", OWN, 7)
    assert (result.pid, result.rss_delta_bytes, result.risen_bytes, result.fallen_bytes) == (7, 41, 55, -15)
    assert result.unattributed_bytes == 1


def test_a_rise_belongs_to_the_phase_that_is_open_in_its_thread():
    made = fold(
        (begin(0), OUTSIDE),
        (SampledStack(1, [("f", OWN, 1)]), OUTSIDE),
        (PhaseBegin(1, 0, "a", 11, 0, 0), ("a",)),
        (PhaseBegin(2, 0, "b", 22, 0, 0), ("b",)),
        (RssChange(1, 10, 10, 11, 1), OUTSIDE),
        (RssChange(2, 30, 20, 22, 1), OUTSIDE),
        (RssChange(3, 60, 30, 33, 1), OUTSIDE),  # a thread without a phase: with the latest
    )
    assert {rise.path: rise.bytes for rise in made.result(1).stacks} == {"a": 10, "b": 50}


def test_a_rise_knows_how_many_threads_it_was_seen_in():
    made = fold(
        (begin(0), OUTSIDE),
        (SampledStack(1, [("f", OWN, 1)]), OUTSIDE),
        *((RssChange(thread, thread, 1, thread, 1), OUTSIDE) for thread in (11, 22, 11)),
    )
    assert made.result(1).stacks[0].threads == 2


def test_what_a_collection_frees_during_an_import_is_no_part_of_the_import():
    made = fold(
        (begin(0), OUTSIDE),
        (SampledStack(1, [("f", OWN, 1)]), OUTSIDE),
        (RssChange(1, 100, 100, 11, 1), OUTSIDE),
        (imported("json", -90), OUTSIDE),
        (imported("json.decoder", 5), OUTSIDE),
        (SessionEnd(9, 15, 100, 0), OUTSIDE),
    )
    result = made.result(1)
    assert (result.imported_bytes, result.risen_bytes, result.fallen_bytes) == (5, 100, -90)
    assert (result.stacks[0].at_peak_bytes, result.stacks[0].kept_bytes) == (100, 10)
    assert result.unattributed_bytes == 0


def test_most_pages_were_copied_at_one_line():
    made = fold(
        (begin(100), OUTSIDE),
        (SampledStack(1, [("ones", NUMPY, 5), ("load", OWN, 7)]), OUTSIDE),
        (SampledStack(2, [("read", OWN, 9)]), OUTSIDE),
        (PagesCopied(1, 30, 11, 1), OUTSIDE),
        (PagesCopied(2, 20, 11, 2), OUTSIDE),
        (PagesCopied(3, 20, 11, 2), OUTSIDE),
        (PagesCopied(4, 90, 11, 0), OUTSIDE),
    )
    result = made.result(7)
    assert (result.copied_at.function, result.copied_at.line) == ("read", 9)
    assert (result.risen_bytes, result.rss_delta_bytes) == (0, 0)


def test_without_a_sample_there_is_no_result():
    assert fold((begin(0), OUTSIDE)).result(1) is None


@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 3)), min_size=1), st.integers(0, 10**9))
def test_the_parts_add_up(steps, last):
    records = [(begin(5), OUTSIDE), (SampledStack(1, [("f", OWN, 1)]), OUTSIDE)]
    records += [(RssChange(at, 0, delta, 1, stack), OUTSIDE) for at, (delta, stack) in enumerate(steps)]
    result = fold(*records, (SessionEnd(10, last, last, 0), OUTSIDE)).result(1)
    parts = result.imported_bytes + result.risen_bytes + result.fallen_bytes + result.unattributed_bytes
    assert parts == result.rss_delta_bytes == last - 5
    assert result.risen_bytes == sum(rise.bytes for rise in result.stacks)


def test_a_rise_that_is_recorded_late_belongs_to_the_phase_of_its_time():
    made = fold(
        (begin(0), OUTSIDE),
        (SampledStack(1, [("f", OWN, 1)]), OUTSIDE),
        (PhaseBegin(1, 0, "outer", 11, 10, 0), ("outer",)),
        (PhaseBegin(2, 1, "inner", 11, 20, 0), ("outer", "inner")),
        (PhaseEnd(2, 30, 0, 0), ("outer", "inner")),
        (PhaseBegin(3, 1, "next", 11, 40, 0), ("outer", "next")),
        (RssChange(5, 1, 1, 11, 1), OUTSIDE),
        (RssChange(15, 3, 2, 11, 1), OUTSIDE),
        (RssChange(25, 7, 4, 11, 1), OUTSIDE),
        (RssChange(35, 15, 8, 11, 1), OUTSIDE),
        (RssChange(45, 31, 16, 11, 1), OUTSIDE),
    )
    sizes = {rise.path: rise.bytes for rise in made.result(1).stacks}
    assert sizes == {"": 1, "outer": 10, "outer/inner": 4, "outer/next": 16}
