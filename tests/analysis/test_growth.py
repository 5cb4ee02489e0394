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
