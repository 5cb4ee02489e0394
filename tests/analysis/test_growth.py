"""Growth: slopes, intervals and verdicts, on series whose growth is known."""

from __future__ import annotations

import random
from collections import Counter
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwmemtrace import results
from fwmemtrace.analysis.call_series import CallSeries
from fwmemtrace.analysis.growth import GrowthFold
from fwmemtrace.analysis.growth_verdict import ENOUGH_CALLS, LEAST_RISE, judge, warm_up_of
from fwmemtrace.analysis.theil_sen import estimate_slope, kendall_variance, variance_inflation
from fwmemtrace.records import ObjectCensus, PhaseBegin, PhaseEnd, PythonHeap

KB, MB = 1000, 10**6


def noise(calls, seed, size=200 * KB):
    chance = random.Random(seed)
    return [chance.gauss(0, size) for _ in range(calls)]


def correlated_noise(calls, seed, memory, size=200 * KB):
    chance, value, values = random.Random(seed), 0.0, []
    for _ in range(calls):
        value = memory * value + chance.gauss(0, size * (1 - memory**2) ** 0.5)
        values.append(value)
    return values


def verdict_of(values, metric="rss", base=300 * MB):
    fold = GrowthFold()
    before = 0.0
    for value in values:
        fold.call(("request",), metric, base + value, value - before)
        before = value
    [row] = fold.result()
    return row


# -- series whose growth is known --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_a_leak_of_1_kb_per_call_is_detected_in_noise_of_200_kb(seed):
    row = verdict_of([KB * call + extra for call, extra in enumerate(noise(500, seed))])
    assert row.verdict == "growing"
    assert row.low > 0
    assert row.low <= KB <= row.high
    assert row.slope_bytes_per_call == pytest.approx(KB, rel=0.35)
    assert (row.calls, row.warm_up_calls, row.unit) == (500, 50, "bytes")


@pytest.mark.parametrize("seed", range(10))
def test_a_cache_that_fills_up_is_saturating(seed):
    for filled_at in (150, 250, 350):
        values = [10 * KB * min(call, filled_at) + extra for call, extra in enumerate(noise(500, seed))]
        assert verdict_of(values).verdict == "saturating", filled_at


@pytest.mark.slow
def test_50_flat_series_give_at_most_2_false_alarms():
    for make in (noise, lambda calls, seed: correlated_noise(calls, seed, 0.8)):
        verdicts = Counter(verdict_of(make(500, seed)).verdict for seed in range(50))
        assert verdicts["growing"] + verdicts["saturating"] <= 2, verdicts


@pytest.mark.parametrize(("rise", "saturating"), [(300_000, range(6)), (900_000, range(50, 61))])
def test_a_rise_that_stops_is_reported_only_well_above_the_noise(rise, saturating):
    verdicts = Counter()
    for seed in range(60):
        noise = random.Random(seed)
        values = [min(1.0, call / 54) * rise + noise.gauss(0, 300_000) for call in range(108)]
        verdicts[judge(values, least_rise=LEAST_RISE["rss"]).verdict] += 1
    assert verdicts["saturating"] in saturating, verdicts


def test_a_random_walk_is_not_a_leak():
    """RSS moves in steps that last for a while, so neighbouring values are alike without a trend."""
    verdicts = Counter(verdict_of(correlated_noise(500, seed, 0.95)).verdict for seed in range(50))
    assert verdicts["growing"] <= 2, verdicts


def test_a_single_step_early_on_is_warm_up():
    for at in (1, 10, 40):
        values = [(50 * MB if call >= at else 0) + extra for call, extra in enumerate(noise(500, 1))]
        assert verdict_of(values).verdict == "flat", at


def test_a_step_in_the_middle_is_not_growing():
    for at in (100, 200, 300, 400):
        values = [(MB if call >= at else 0) + extra for call, extra in enumerate(noise(500, 2, 10 * KB))]
        assert verdict_of(values).verdict in ("saturating", "flat"), at


def test_series_without_noise():
    assert verdict_of([0.0] * 100, "python_heap").verdict == "flat"
    leak = verdict_of([512.0 * call for call in range(100)], "python_heap")
    assert (leak.verdict, leak.slope_bytes_per_call, leak.low, leak.high) == ("growing", 512, 512, 512)
    cache = verdict_of([512.0 * min(call, 50) for call in range(100)], "python_heap")
    assert cache.verdict == "saturating"
    assert verdict_of([-512.0 * call for call in range(100)], "python_heap").verdict == "flat"
    objects = verdict_of([3.0 * call for call in range(100)], "objects", base=700_000)
    assert (objects.verdict, objects.unit) == ("growing", "objects")


def test_growth_in_steps_is_growing():
    """As when an allocator requests a megabyte from the system every 25 calls."""
    assert verdict_of([MB * (call // 25) for call in range(500)]).verdict == "growing"


def test_too_few_calls():
    assert verdict_of([float(MB * call) for call in range(10)]).verdict == "too few calls"
    assert verdict_of([float(MB * call) for call in range(ENOUGH_CALLS + 3)]).verdict == "growing"


def test_a_result_that_is_freed_later_is_not_growth():
    fold = GrowthFold()
    for _ in range(200):
        fold.call(("request",), "rss", 300 * MB, MB)  # each call adds a megabyte, and the level stays the same
    assert fold.result()[0].verdict == "flat"


def test_growth_elsewhere_is_not_growth_of_this_phase():
    fold = GrowthFold()
    for call in range(200):
        fold.call(("leaks",), "rss", 300 * MB + call * MB, MB)
        fold.call(("other",), "rss", 300 * MB + call * MB, 0)
    verdicts = {row.path: row.verdict for row in fold.result()}
    assert verdicts == {"leaks": "growing", "other": "flat"}


def test_a_steady_leak_whose_slopes_differ_by_a_rounding_is_growing():
    """The calls of a real program: 200,092.4 bytes in the first two thirds, then 200,092 bytes each."""
    values = [200_092.4 * min(call, 270) + 200_092 * max(call - 270, 0) for call in range(400)]
    row = verdict_of(values)
    assert row.verdict == "growing"
    assert row.remaining_slope_bytes_per_call == pytest.approx(200_092, abs=1)


def test_a_cache_that_fills_partly_in_the_warm_up_is_saturating():
    for seed in range(10):
        row = verdict_of([100 * KB * min(call, 60) + extra for call, extra in enumerate(noise(400, seed, 20 * KB))])
        assert row.verdict == "saturating", seed
        assert row.rise_bytes == pytest.approx(6 * MB, rel=0.03)
        assert row.warm_up_bytes == pytest.approx(4 * MB, rel=0.05)
        assert 52 <= row.rise_calls <= 62
        assert row.remaining_low < 0 < row.remaining_high


def test_what_fills_in_the_warm_up_is_told_though_the_verdict_is_flat():
    row = verdict_of([100 * KB * min(call, 30) for call in range(400)])
    assert (row.verdict, row.rise_bytes, row.warm_up_bytes) == ("flat", 3 * MB, 3 * MB)
    assert 26 <= row.rise_calls <= 30


def test_the_slope_that_remains():
    leak = verdict_of([KB * call + extra for call, extra in enumerate(noise(500, 1, KB))])
    assert leak.remaining_low <= KB <= leak.remaining_high
    slower = verdict_of([20 * KB * min(call, 250) + KB * call for call in range(500)])
    assert (slower.verdict, slower.remaining_slope_bytes_per_call) == ("saturating", KB)
    assert verdict_of([1.0] * 10).remaining_slope_bytes_per_call is None


def test_a_neighbour_whose_result_is_freed_after_it_is_flat():
    """`load` returns rows that its caller drops, `leak` keeps 5 kB: the level rises by 5 kB at the end of both."""
    fold = GrowthFold()
    for call in range(100):
        level = 10 * MB + call * 5 * KB
        fold.call(("load",), "python_heap", level + 121 * KB, 121 * KB)
        fold.call(("leak",), "python_heap", level + 121 * KB + 5 * KB, 5 * KB)
    load, leak = fold.result()
    assert (load.verdict, leak.verdict) == ("flat", "growing")
    assert load.slope_bytes_per_call == pytest.approx(0, abs=1)
    assert leak.slope_bytes_per_call == 5 * KB


def test_a_phase_that_frees_part_of_what_it_adds_later_is_growing():
    fold = GrowthFold()
    for call in range(100):
        fold.call(("load",), "python_heap", 10 * MB + call * 5 * KB + 121 * KB, 121 * KB)
        fold.call(("other",), "python_heap", 10 * MB + call * 5 * KB + 121 * KB, 0)
    assert [row.verdict for row in fold.result()] == ["growing", "flat"]


# -- phases that overlap -----------------------------------------------------------------------------------------------


def overlapping(added_at_begin, added_while_running, lasts, seed=1, horizon=1000.0, pause=0.01, around=False):
    """Read a simulated process, in which each phase is called again and again, and return the rows by path.

    Args:
        added_at_begin: bytes that a call adds as it begins, by phase.
        added_while_running: bytes that a call adds in the course of its time.
        lasts: its mean time.
        horizon: when no call begins any more.
        pause: the time between two calls of a phase.
        around: whether all calls are inside one call of `serve` that lasts as long as the process.
    """
    chance, fold = random.Random(seed), GrowthFold()
    rss, now, span = 100.0 * MB, 0.0, 1
    prefix = ("serve",) if around else ()
    if around:
        fold.add(PhaseBegin(1, 0, "serve", 1, 0, int(rss)), prefix)
    running = {}  # by phase: its span, its end, and what it adds per unit of time
    idle = {name: chance.random() for name in lasts}  # when the next call begins
    while running or idle:
        name = min([*running, *idle], key=lambda each: running[each][1] if each in running else idle[each])
        then = running[name][1] if name in running else idle[name]
        rss += sum(rate for _, _, rate in running.values()) * (then - now)
        now = then
        if name in running:
            fold.add(PhaseEnd(running.pop(name)[0], int(now * 1e6), int(rss), 0), (*prefix, name))
            if now < horizon:
                idle[name] = now + pause
        else:
            del idle[name]
            span += 1
            fold.add(PhaseBegin(span, int(around), name, 1, int(now * 1e6), int(rss)), (*prefix, name))
            rss += added_at_begin.get(name, 0)
            time = lasts[name] * chance.uniform(0.5, 1.5)
            running[name] = span, now + time, added_while_running.get(name, 0) / time
    if around:
        fold.add(PhaseEnd(1, int(now * 1e6), int(rss), 0), prefix)
    return {row.path: row for row in fold.result()}


@pytest.mark.parametrize("around", [False, True])
def test_a_task_that_overlaps_with_a_leak_is_flat(around):
    prefix = "serve/" if around else ""
    rows = overlapping({"leaky": 50 * KB}, {}, {"leaky": 2, "clean": 4}, around=around)
    leaky, clean = rows[f"{prefix}leaky"], rows[f"{prefix}clean"]
    assert (leaky.verdict, clean.verdict) == ("growing", "flat")
    assert leaky.slope_bytes_per_call == pytest.approx(50 * KB, rel=0.1)
    assert abs(clean.slope_bytes_per_call) < KB


def test_a_thread_that_overlaps_with_a_leak_is_flat():
    rows = overlapping({}, {"leaky": 50 * KB}, {"leaky": 2, "clean": 3, "other": 5}, pause=0.1)
    assert {path: row.verdict for path, row in rows.items()} == {"leaky": "growing", "clean": "flat", "other": "flat"}


def test_two_leaks_that_overlap_add_up_to_what_the_process_grew_by():
    rows = overlapping({"one": 60 * KB, "two": 20 * KB}, {}, {"one": 2, "two": 3})
    assert {row.verdict for row in rows.values()} == {"growing"}
    one, two = rows["one"], rows["two"]
    assert one.rise_bytes + two.rise_bytes == pytest.approx(one.calls * 60 * KB + two.calls * 20 * KB, rel=0.05)
    assert one.rise_bytes == pytest.approx(one.calls * 60 * KB, rel=0.1)


# -- from records ------------------------------------------------------------------------------------------------------


def test_records_of_every_metric():
    fold = GrowthFold()
    for call in range(100):
        span = call + 1
        fold.add(PhaseBegin(span, 0, "request", 1, 0, 10**8 + call * 10_000), ("request",))
        fold.add(PythonHeap(span, 1000 + call * 100, 1100 + call * 100, 2000, []), ("request",))
        fold.add(ObjectCensus(span, 700_000 + call, 10**7, 1, 64, []), ("request",))
        fold.add(PhaseEnd(span, 1, 10**8 + (call + 1) * 10_000, 0), ("request",))
    fold.add(PhaseBegin(1000, 0, "once", 1, 0, 0), ("once",))
    fold.add(PhaseEnd(1000, 1, 0, 0), ("once",))
    rows = fold.result(
        objects={
            ("request",): results.Objects(delta_count=100, delta_bytes=1, top=[kind("a.A", 100), kind("b.B", -1)])
        },
        holders=[holder("a.A"), holder("c.C")],
    )
    assert [(row.path, row.metric, row.verdict) for row in rows] == [
        ("request", "rss", "growing"),
        ("request", "python_heap", "growing"),
        ("request", "objects", "growing"),
    ]
    assert [row.slope_bytes_per_call for row in rows] == [10_000, 100, 1]
    assert [found.type for found in rows[0].types] == ["a.A"]
    assert [found.type for found in rows[0].held_by] == ["a.A"]


def kind(name, count):
    return results.TypeGrowth(type=name, delta_count=count, delta_bytes=count * 64)


def holder(name):
    return results.Holder(type=name, count=1, delta_count=1, path="request", root="module", chain=[], words="")


@pytest.mark.parametrize("every", [7, 50])
def test_results_in_between_change_nothing(every):
    whole, watched = GrowthFold(), GrowthFold()
    for call, extra in enumerate(noise(400, 1)):
        whole.call(("request",), "rss", KB * call + extra, KB)
        watched.call(("request",), "rss", KB * call + extra, KB)
        if call % every == 0 and call > 300:
            watched.result()
    assert watched.result() == whole.result()


def test_memory_is_bounded():
    fold = GrowthFold()
    for call in range(100_000):
        fold.call(("request",), "rss", call, 1)
    for number in range(10_000):
        fold.call((f"request {number}",), "rss", 1, 0)
    assert len(fold.result(least_calls=1)) <= 2000
    series = fold._series["request", "rss"]
    assert len(series._levels.points()) <= 256
    assert fold.result()[0].slope_bytes_per_call == pytest.approx(1)


# -- the statistics ----------------------------------------------------------------------------------------------------

VALUES = st.lists(st.integers(-(10**6), 10**6), min_size=3, max_size=40)


@given(VALUES, st.integers(-1000, 1000), st.integers(-(10**6), 10**6))
def test_a_line_added_to_a_series_adds_its_slope(values, slope, start):
    plain = estimate_slope(values)
    tilted = estimate_slope([value + start + slope * at for at, value in enumerate(values)])
    assert tilted.slope == pytest.approx(plain.slope + slope, abs=1e-6)


@given(VALUES)
def test_the_interval_contains_the_slope(values):
    found = estimate_slope(values)
    assert found.low <= found.slope <= found.high


@given(VALUES)
def test_the_slope_is_the_median_of_all_pairs(values):
    count = len(values)
    slopes = [(values[b] - values[a]) / (b - a) for a in range(count) for b in range(a + 1, count)]
    assert estimate_slope(values).slope == median(slopes)


def test_an_outlier_does_not_move_the_slope():
    values = [10.0 * at for at in range(50)]
    values[25] = 10**9
    assert estimate_slope(values).slope == pytest.approx(10, rel=0.01)


def test_kendall_variance_equals_the_textbook_formula():
    assert kendall_variance([1, 2, 3, 4]) == pytest.approx(4 * 3 * 13 / 18)
    assert kendall_variance([1, 1, 2, 3]) == pytest.approx((4 * 3 * 13 - 2 * 1 * 9) / 18)
    assert kendall_variance([7, 7, 7]) == 0


def test_variance_inflation_of_independent_and_autocorrelated_values():
    assert variance_inflation(noise(400, 1)) < 1.5
    # An AR(1) process multiplies the variance of a trend by (1 + memory) / (1 - memory): 9 for 0.8.
    found = median(variance_inflation(correlated_noise(400, seed, 0.8)) for seed in range(20))
    assert 5 < found < 13
    assert variance_inflation([0.0] * 10) == 1


def test_coverage_of_the_interval():
    """The interval contains the true slope about as often as it claims, in independent and autocorrelated noise."""
    for make in (noise, lambda calls, seed: correlated_noise(calls, seed, 0.7)):
        held = 0
        for seed in range(100):
            found = estimate_slope([100.0 * at + extra for at, extra in enumerate(make(100, seed))])
            held += found.low <= 100 <= found.high
        assert held >= 94


@settings(max_examples=50)
@given(st.lists(st.integers(-1000, 1000), max_size=300), st.sampled_from([4, 16, 256]))
def test_each_point_of_a_series_is_the_mean_of_its_calls(values, size):
    series = CallSeries(size)
    for value in values:
        series.add(value)
    points = series.points()
    assert series.calls == len(values)
    assert len(points) < size or size == len(points) == 256
    for number, point in enumerate(points):
        part = values[number * series.stride : (number + 1) * series.stride]
        assert point == pytest.approx(sum(part) / len(part))


def test_the_points_of_a_series_leave_warm_up_out():
    series = CallSeries(8)
    for value in range(20):
        series.add(value)
    assert series.points(warm_up_of(20))[0] >= 2


def test_too_few_values():
    assert judge([1.0], 1).verdict == "too few calls"
    with pytest.raises(ValueError, match="at least three"):
        estimate_slope([1.0, 2.0])
