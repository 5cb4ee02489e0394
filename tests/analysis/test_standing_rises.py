"""Rises of RSS that still stand when some of it was given back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace.analysis.standing_rises import StandingRises


def test_a_fall_takes_back_what_rose_last() -> None:
    standing: StandingRises[str] = StandingRises()
    standing.rise("cache", 1, 40)
    standing.rise("copy", 1, 100)
    standing.fall(100, 160)
    standing.rise("cache", 2, 10)
    assert standing.now == {"cache": 50, "copy": 0}
    assert standing.at_peak(70) == {"cache": 40, "copy": 100}
    assert standing.at_peak(170) == {"cache": 50, "copy": 0}  # RSS is larger now


def test_the_largest_fall_and_the_calls_whose_rises_it_took_back() -> None:
    standing: StandingRises[str] = StandingRises()
    for call in range(1, 6):
        standing.rise("request", call, 10)
    standing.fall(5, 50)
    standing.rise("request", 6, 10)
    standing.fall(20, 55)
    standing.fall(20, 35)  # of the same fall: nothing rose in between
    assert (standing.largest_fall_bytes, standing.largest_fall_calls) == (40, 5)


@given(st.lists(st.tuples(st.integers(-1000, 1000), st.sampled_from("abc"), st.integers(0, 3))))
def test_what_stands_is_never_more_than_rss_rose_by(steps: list[tuple[int, str, int]]) -> None:
    standing: StandingRises[str] = StandingRises()
    rss = 0
    for size, key, call in steps:
        if size >= 0:
            standing.rise(key, call, size)
        else:
            standing.fall(-size, rss)
        rss = max(0, rss + size)
        assert sum(standing.now.values()) == rss
        assert min(standing.now.values(), default=0) >= 0
