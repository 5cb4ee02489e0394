"""Rises that were seen while a line waits for the next request are those of the requests before."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace import results
from fwmemtrace.analysis.late_rises import charge_late

OUTER = "app.py <module> 3"


def rise(size: int, looks: int, *stack: str, first_ns: int = 10, **changes: Any) -> results.Rise:
    """Return a rise whose innermost frame of the program's own is in app.py."""
    frames = []
    for text in stack:
        file, function, line = text.split()
        frames.append(results.Frame(function=function, file=file, line=int(line)))
    own = next((frame for frame in frames if frame.file == "app.py"), None)
    fields = {"path": "main", "package": "", "kept_bytes": size, "threads": 1, "last_ns": first_ns + 10}
    return results.Rise(
        bytes=size, looks=looks, at_peak_bytes=size, line=own, stack=frames, first_ns=first_ns, **{**fields, **changes}
    )


def sizes(*rises: results.Rise) -> dict[str, int]:
    return {f"{one.stack[0].function} {one.stack[0].line}": one.bytes for one in charge_late(rises)}


def handled(size: int = 1000, **changes: Any) -> results.Rise:
    return rise(size, 100, "app.py handle 5", "app.py serve 20", OUTER, **changes)


def waiting(size: int, looks: int, **changes: Any) -> results.Rise:
    return rise(size, looks, "app.py serve 21", OUTER, **changes)


def test_the_line_that_waits_has_not_made_what_was_called() -> None:
    (whole,) = charge_late([waiting(50, 6, first_ns=3), handled(kept_bytes=400)])
    assert (whole.bytes, whole.at_peak_bytes, whole.kept_bytes, whole.looks) == (1050, 1050, 450, 106)
    assert whole.first_ns == 3
    select = rise(50, 6, "selectors.py select 468", "asyncio.py run 30", "app.py serve 22", OUTER)
    assert sizes(handled(), select) == {"handle 5": 1050}


def test_each_of_several_functions_gets_its_share() -> None:
    other = rise(3000, 200, "app.py answer 8", "app.py serve 20", OUTER)
    assert sizes(waiting(80, 8), handled(), other) == {"handle 5": 1020, "answer 8": 3060}


def test_what_a_caller_allocates_itself_is_its_own() -> None:
    for own in (waiting(300, 30), waiting(150, 1), waiting(50, 6, package="numpy"), waiting(50, 6, path="main/other")):
        assert sizes(handled(), own) == {"handle 5": 1000, "serve 21": own.bytes}
    assert sizes(handled(), waiting(50, 6, first_ns=10**10)) == {"handle 5": 1000, "serve 21": 50}
    elsewhere = rise(50, 6, "app.py serve 21", "app.py <module> 4")
    assert sizes(handled(), elsewhere) == {"handle 5": 1000, "serve 21": 50}


FRAMES = st.sampled_from(["app.py a 1", "app.py a 2", "app.py b 1", "app.py c 1", "lib.py d 1"])
RISES = st.builds(
    lambda size, looks, stack: rise(size, looks, *stack),
    st.integers(0, 1000),
    st.integers(1, 50),
    st.lists(FRAMES, min_size=1, max_size=4),
)


@given(st.lists(RISES, max_size=8))
def test_nothing_is_lost(rises: list[results.Rise]) -> None:
    def sums(of: list[results.Rise]) -> list[int]:
        return [sum(getattr(one, field) for one in of) for field in ("bytes", "at_peak_bytes", "kept_bytes", "looks")]

    before = sums(rises)
    assert sums(charge_late(rises)) == before
