"""The timeline of a process, whatever the order of its records."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace.analysis.timeline import TimelineFold

READINGS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**9)), max_size=300)


@given(READINGS, st.sampled_from([2, 4, 10, 1000]))
def test_it_is_in_the_order_of_time_and_keeps_the_peak(readings, limit):
    fold = TimelineFold(limit)
    for time_ns, rss_bytes in readings:
        fold.add(time_ns, rss_bytes, ("a",))
    kept = [(sample.time_ns, sample.rss_bytes) for sample in fold.samples()]
    times = [time_ns for time_ns, _ in kept]
    assert times == sorted(times)
    assert set(kept) <= set(readings)
    assert len(kept) <= limit
    assert max((rss for _, rss in kept), default=0) == max((rss for _, rss in readings), default=0)
    if len(readings) <= limit:
        assert sorted(kept) == sorted(readings)


@given(st.lists(st.integers(0, 10**6), max_size=50))
def test_readings_of_one_moment_keep_their_order(sizes):
    fold = TimelineFold()
    for size in sizes:
        fold.add(5, size, ())
    assert [sample.rss_bytes for sample in fold.samples()] == sizes
