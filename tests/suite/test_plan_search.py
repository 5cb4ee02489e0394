"""The search for the smallest set of levers, on made-up services."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwmemtrace.analysis.suite.plan_search import PlanSearch

NOISE = 1


class Made:
    """A service whose memory is known for every set; counts what was measured."""

    def __init__(self, slots, size_of, affordable=1000, failing=()):
        self.slots = slots
        self.size_of = size_of
        self.affordable = affordable
        self.failing = failing
        self.measured = []

    def search(self, limit, first=(), expected=()):
        search = PlanSearch(self.slots, limit, NOISE, self.measure, self.left, expected)
        return search, search.run(first)

    def left(self):
        return self.affordable - len(self.measured)

    def measure(self, sets):
        sizes = []
        for one in sets:
            for first, second in combinations(one, 2):
                assert self.slots[first] != self.slots[second], "levers that exclude each other were tried together"
            if len(self.measured) >= self.affordable or set(self.failing) & one:
                sizes.append(None)
                continue
            self.measured.append(one)
            sizes.append(self.size_of(one))
        return sizes


def service(base, single, pairs=()):
    """Memory with a saving for each lever, and a further one for each set that is on as a whole."""

    def size(chosen):
        return base - sum(single[lever] for lever in chosen) - sum(more for one, more in pairs if one <= chosen)

    return size


def test_a_pair_of_which_each_alone_is_useless_or_harmful_is_found():
    made = Made("abcdef", service(200, [10, 0, -10, 15, 5, 0], [(frozenset({1, 2}), 80)]))
    assert made.search(150)[1] == frozenset({1, 2})


def test_the_pair_is_found_among_so_many_levers_that_not_all_pairs_are_measured():
    made = Made([str(n) for n in range(16)], service(300, [4] * 14 + [0, -10], [(frozenset({14, 15}), 120)]))
    assert made.search(200)[1] == frozenset({14, 15})
    assert len(made.measured) < 200


def test_the_pair_is_found_even_where_all_other_levers_spoil_it():
    levers = 20

    def size(chosen):
        helps = 120 if {14, 15} <= chosen and len(chosen) <= 3 else 0
        return 300 - len(chosen) - helps

    assert Made([str(n) for n in range(levers)], size).search(200)[1] == frozenset({14, 15})


def test_three_levers_that_only_help_together_are_found():
    made = Made("abcdefgh", service(200, [5, 0, -10, 5, 0, 5, 0, 0], [(frozenset({1, 2, 4}), 90)]))
    assert made.search(125)[1] == frozenset({1, 2, 4})


def test_a_lever_that_is_better_alone_does_not_hide_the_one_of_its_slot_that_belongs_to_the_pair():
    made = Made("aab", service(200, [30, 0, 0], [(frozenset({1, 2}), 80)]))
    assert made.search(130)[1] == frozenset({1, 2})


def test_one_lever_is_preferred_to_two():
    made = Made("abc", service(200, [60, 30, 30]))
    assert made.search(145)[1] == frozenset({0})


def test_nothing_is_chosen_that_does_not_help_towards_a_budget_out_of_reach():
    made = Made("abcd", service(200, [40, 0, -20, 10]))
    assert made.search(50)[1] == frozenset({0, 3})


def test_a_lever_that_breaks_the_service_is_left_out():
    made = Made("abc", service(200, [100, 40, 40]), failing=[0])
    assert made.search(130)[1] == frozenset({1, 2})


def test_overlapping_levers_are_not_added_up():
    made = Made("abc", lambda chosen: 200 - (50 if chosen else 0) - 10 * (len(chosen) > 1))
    search, best = made.search(100)
    assert search.known[best] == 140
    assert len(best) == 2


def test_a_set_that_proved_larger_is_replaced_by_the_next_best():
    made = Made("abc", service(200, [70, 65, 0]))
    search, best = made.search(140)
    assert best == frozenset({0})
    search.drop(best)
    assert search.best() == frozenset({1})


def test_without_time_the_best_set_so_far_is_returned():
    made = Made("abcd", service(200, [10, 20, 30, 40]), affordable=3)
    search, best = made.search(50)
    assert len(made.measured) == 3
    assert best == min(search.known, key=lambda one: search.known[one])


@pytest.mark.parametrize("affordable", [12, 25])
def test_the_named_sets_come_first(affordable):
    made = Made([str(n) for n in range(10)], service(300, [0] * 10, [(frozenset({2, 5, 7}), 200)]), affordable)
    assert made.search(150, [frozenset({2, 5, 7})])[1] == frozenset({2, 5, 7})


@pytest.mark.parametrize("promised", [[], [1] * 14 + [40, 0]])
def test_without_time_for_every_lever_alone_the_pair_is_found_by_taking_away_halves(promised):
    made = Made([str(n) for n in range(16)], service(300, [0] * 14 + [40, -10], [(frozenset({14, 15}), 120)]), 40)
    assert made.search(200, expected=promised)[1] == frozenset({14, 15})
    assert len(made.measured) <= 40


def test_a_lever_that_breaks_the_service_does_not_end_a_search_by_halves():
    made = Made([str(n) for n in range(12)], service(300, [*[0] * 10, 60, 70]), 40, failing=[3])
    assert made.search(200)[1] == frozenset({10, 11})


def test_of_levers_that_exclude_each_other_the_more_promising_one_is_tried_first():
    made = Made("aabcdef", service(300, [10, 90, 0, 0, 0, 0, 40]), 12)
    assert made.search(175, expected=[10, 90, 0, 0, 0, 0, 40])[1] == frozenset({1, 6})


LEVERS = st.lists(st.integers(-20, 40), min_size=1, max_size=6)
MORE = st.lists(st.tuples(st.sets(st.integers(0, 5), min_size=2, max_size=3), st.integers(-30, 60)), max_size=3)


@given(LEVERS, MORE, st.integers(0, 300), st.lists(st.integers(0, 3), min_size=6, max_size=6))
@settings(max_examples=60, deadline=None)
def test_with_few_levers_the_smallest_set_is_found_whatever_they_do(single, more, limit, slots):
    pairs = [(frozenset(one), size) for one, size in more]
    made = Made([str(slot) for slot in slots[: len(single)]], service(300, single, pairs))
    search, best = made.search(limit)
    every = [
        frozenset(one)
        for size in range(len(single) + 1)
        for one in combinations(range(len(single)), size)
        if len({made.slots[lever] for lever in one}) == len(one)
    ]
    reaching = [one for one in every if made.size_of(one) <= limit]
    if reaching:
        assert made.size_of(best) <= limit
        assert len(best) == min(map(len, reaching))
    else:
        assert made.size_of(best) <= min(map(made.size_of, every)) + NOISE
    assert search.known[best] == made.size_of(best)
