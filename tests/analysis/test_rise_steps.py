"""The steps of a function: rises in different phases, and at lines that ran one after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import process_result
from fwmemtrace import results
from fwmemtrace.analysis.causes import find_causes
from fwmemtrace.analysis.rise_steps import split_by_line, split_by_phase

MB = 10**6


def step(function: str, size: int, line: int, first: int, last: int, path: str = "main") -> results.Rise:
    own = results.Frame(function=function, file="/srv/app/guard.py", line=line)
    return results.Rise(
        path=path,
        bytes=size,
        looks=1,
        line=own,
        package="numpy",
        stack=[own],
        at_peak_bytes=size,
        kept_bytes=size,
        first_ns=first,
        last_ns=last,
    )


def causes(*stacks: results.Rise) -> list[results.Cause]:
    process = process_result(peak_bytes=100 * MB)
    total = sum(one.bytes for one in stacks)
    rises = results.Rises(
        pid=process.pid,
        rss_delta_bytes=total,
        imported_bytes=0,
        risen_bytes=total,
        fallen_bytes=0,
        unattributed_bytes=0,
        stacks=list(stacks),
    )
    info = results.TraceInfo(complete=True, lost_records=0, damaged_bytes=0, notes=[], processes=[process])
    report = results.TraceReport(trace=info, phases=[], rises=[rises])
    return [cause for cause in find_causes(report, process) if cause.location]


def lines(cause: results.Cause) -> list[tuple[int, int]]:
    return [(part.location.line, part.bytes // MB) for part in cause.parts]


def test_what_a_module_does_in_two_phases_is_told_apart() -> None:
    first, second = causes(
        step("<module>", 40 * MB, 7, 0, 5, path="GET \\/users"),
        step("<module>", 20 * MB, 9, 6, 9, path="GET \\/users\\/{id}"),
    )
    assert (first.bytes, first.path, first.location and first.location.line) == (40 * MB, "GET \\/users", 7)
    assert (second.bytes, second.path, second.location and second.location.line) == (20 * MB, "GET \\/users\\/{id}", 9)


def test_one_line_that_two_phases_run_in_turns_is_told_apart() -> None:
    found = causes(step("put", 40 * MB, 7, 0, 90, path="a"), step("put", 20 * MB, 7, 10, 80, path="b"))
    assert [(cause.path, cause.bytes) for cause in found] == [("a", 40 * MB), ("b", 20 * MB)]


def test_a_function_that_many_phases_call_is_one_cause_of_the_phase_around_them() -> None:
    (cause,) = causes(*(step("put", 3 * MB, 7, n, n + 50, path=f"request/{n}") for n in range(20)))
    assert (cause.path, cause.bytes, cause.parts) == ("request", 60 * MB, [])


@pytest.mark.parametrize("function", ["<module>", "main"])
def test_the_lines_of_a_module_are_steps(function: str) -> None:
    found = causes(step(function, 40 * MB, 7, 0, 50), step(function, 20 * MB, 9, 51, 60))
    assert [cause.bytes for cause in found] == [40 * MB, 20 * MB]


def test_the_lines_of_a_function_are_parts_of_it() -> None:
    (cause,) = causes(step("build", 20 * MB, 7, 0, 50), step("build", 40 * MB, 9, 51, 60))
    assert (cause.bytes, lines(cause)) == (60 * MB, [(9, 40), (7, 20)])


def test_the_lines_of_a_loop_stay_together() -> None:
    (cause,) = causes(step("<module>", 40 * MB, 7, 0, 100), step("<module>", 20 * MB, 8, 1, 99))
    assert (cause.bytes, cause.parts) == (60 * MB, [])


def test_the_end_of_a_rise_that_the_next_line_shows_goes_with_it() -> None:
    (cause,) = causes(step("<module>", 40 * MB, 7, 0, 50), step("<module>", 2 * MB, 8, 51, 51))
    assert cause.bytes == 42 * MB


ANY = st.builds(
    lambda size, line, first, took, path: step("f", size, line, first, first + took, path),
    st.integers(0, 99),
    st.integers(1, 5),
    st.integers(0, 99),
    st.integers(0, 50),
    st.sampled_from(["", "a", "a/b"]),
)


@given(st.lists(ANY, min_size=1, max_size=20))
def test_no_rise_is_lost(stacks: list[results.Rise]) -> None:
    for split in (split_by_phase, split_by_line):
        pieces = split(stacks)
        assert sorted(id(one) for piece in pieces for one in piece) == sorted(map(id, stacks))
        assert all(pieces)
