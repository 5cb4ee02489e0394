"""Which readings become points of the timeline."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace.probes.resident.points import Points

MB = 10**6
MS = 10**6
SECOND = 10**9


def test_a_point_needs_the_interval_and_a_change_or_a_second() -> None:
    points = Points(10 * MS, adapts=False)
    readings = [(0, 50), (5, 90), (10, 90), (20, 90), (900, 90), (1011, 90), (1021, 91)]
    taken = [at for at, size in readings if points.take(size * MB, SECOND + at * MS)]
    assert taken == [0, 10, 1011, 1021]


def test_an_interval_that_does_not_adapt_stays() -> None:
    points = Points(10 * MS, adapts=False)
    assert all(points.take((100 + number % 2) * MB, SECOND + number * 10 * MS) for number in range(20_000))


@pytest.mark.parametrize("part", [1, 50])
def test_a_noisy_day_in_production_takes_little_room(part: int) -> None:
    points = Points(10 * MS, adapts=True)
    readings = ((100 + part * (number % 2)) * MB for number in range(24 * 3600 * 2))  # two a second
    taken = sum(points.take(size, SECOND + number * 500 * MS) for number, size in enumerate(readings))
    assert 5_000 < taken < 20_000


def test_a_sudden_rise_after_a_long_time_is_told_at_once() -> None:
    points = Points(10 * MS, adapts=True)
    now = SECOND
    for number in range(20_000):
        points.take((100 + number % 2) * MB, now)
        now += SECOND
    taken = [size for size in range(100, 1000) if points.take(size * MB, now + size * 10 * MS)]
    assert max(later - earlier for earlier, later in pairwise(taken)) <= 1000 // 15
    assert taken[-1] > 900


@given(st.lists(st.tuples(st.integers(0, 2 * SECOND), st.integers(0, 1000 * MB)), max_size=200), st.booleans())
def test_no_two_points_are_closer_than_the_interval(steps: list[tuple[int, int]], adapts: bool) -> None:
    points = Points(10 * MS, adapts=adapts)
    now, latest = SECOND, 0
    for step, rss in steps:
        now += step
        if points.take(rss, now):
            assert now - latest >= 10 * MS
            latest = now
