"""Answers of a variant against the component's: what can be compared, and how far they agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace.analysis.suite.agreement import agreement
from fwmemtrace.suite.answers import take_answers


def compared(left, right):
    return agreement(
        take_answers(left.__getitem__, range(len(left))), take_answers(right.__getitem__, range(len(right)))
    )


@pytest.mark.parametrize("answer", [True, 3, 0.5, [1, 2.5], (1, [2, 3]), {"score": 0.25}, "text", None, ["a", 1], b"x"])
def test_equal_answers_are_equal(answer):
    assert compared([answer], [answer]).equal == 1


def test_numbers_are_compared_by_difference_and_direction():
    found = compared([[1.0, 0.0], [0.0, 2.0]], [[1.0, 0.5], [0.0, 2.0]])
    assert (found.requests, found.equal, found.largest_difference) == (2, 1, 0.5)
    assert found.cosine == pytest.approx(1 / 1.25**0.5)


def test_text_is_compared_as_it_is():
    found = compared(["yes", "no"], ["yes", "maybe"])
    assert (found.requests, found.equal, found.cosine) == (2, 1, None)


def test_answers_without_content_are_left_out():
    assert compared([object()], [object()]) is None


def test_single_numbers_have_no_direction():
    found = compared([1.0, 2.0], [1.0, 2.5])
    assert (found.equal, found.largest_difference, found.cosine) == (1, 0.5, None)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20), st.floats(0.1, 10))
def test_a_multiple_has_the_same_direction(numbers, factor):
    found = compared([numbers], [[number * factor for number in numbers]])
    if any(abs(number) > 1e-3 for number in numbers):
        assert found.cosine == pytest.approx(1, abs=1e-6)


def test_arrays_count_as_numbers():
    numpy = pytest.importorskip("numpy")
    assert compared([numpy.ones((2, 3))], [numpy.ones((2, 3))]).largest_difference == 0


def test_slow_requests_are_asked_twice_and_not_four_times():
    times = iter(range(0, 100, 5))
    assert len(take_answers(str, range(4), lambda: next(times)).numbers) == 2
    assert len(take_answers(str, range(4), lambda: 0.0).numbers) == 4
