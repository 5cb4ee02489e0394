"""Rises that were seen while the tracer ended a phase are those of the function whose phase it was."""

from __future__ import annotations

from typing import Any

from fwmemtrace import results
from fwmemtrace.analysis.edge_rises import charge_edges

MAIN = "/srv/app.py main 20"
WRAPPER = "/site/fwmemtrace/decorators.py _trace_function.<locals>.wrapper 83"
HOOK = "/site/fwmemtrace/probe.py ended 9"
LIBRARY = "/usr/lib/os.py decode 5"


def rise(size: int, *stack: str, path: str = "request", **changes: Any) -> results.Rise:
    frames = []
    for text in stack:
        file, function, line = text.split()
        frames.append(results.Frame(function=function, file=file, line=int(line)))
    fields = {
        "looks": 1,
        "package": "",
        "at_peak_bytes": size,
        "kept_bytes": 0,
        "threads": 1,
        "first_ns": 1,
        "last_ns": 2,
    }
    return results.Rise(path=path, bytes=size, line=None, stack=frames, **{**fields, **changes})


def is_ours(file: str) -> bool:
    return "/fwmemtrace/" in file


def sizes(*rises: results.Rise) -> list[tuple[str, int]]:
    return [(rise.stack[0].function, rise.bytes) for rise in charge_edges(rises, is_ours)]


def test_rises_at_an_edge_are_those_of_the_function() -> None:
    handle = "/srv/app.py handle 5"
    large = rise(30, handle, WRAPPER, MAIN, first_ns=5, last_ns=6)
    edges = [rise(7, HOOK, WRAPPER, MAIN), rise(2, LIBRARY, HOOK, WRAPPER, MAIN), rise(1, WRAPPER, MAIN, last_ns=9)]
    (whole,) = charge_edges([edges[0], rise(3, "/srv/app.py handle 7", WRAPPER, MAIN), large, *edges[1:]], is_ours)[1:]
    assert whole is large
    assert (whole.bytes, whole.looks, whole.at_peak_bytes, whole.first_ns, whole.last_ns) == (40, 4, 40, 1, 9)


def test_a_phase_that_has_just_ended_is_found_by_the_line_of_its_call() -> None:
    handle = rise(30, "/srv/app.py handle 5", WRAPPER, MAIN)
    assert sizes(handle, rise(7, HOOK, WRAPPER, MAIN, path="")) == [("handle", 37)]
    other = rise(7, HOOK, WRAPPER, "/srv/app.py main 21", path="")
    assert sizes(rise(30, "/srv/app.py handle 5", WRAPPER, MAIN), other) == [("handle", 30), ("ended", 7)]


def test_other_rises_stay_as_they_are() -> None:
    made = [
        rise(9, "/srv/app.py main 20"),
        rise(8, "/srv/app.py handle 5", WRAPPER, MAIN),
        rise(7, HOOK, MAIN),
        rise(6, WRAPPER),
        rise(5, HOOK, WRAPPER, "/srv/app.py serve 3", path="other"),
    ]
    assert charge_edges(made, is_ours) == made
