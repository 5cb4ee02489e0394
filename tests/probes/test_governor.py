"""The budgets of expensive readings."""

from __future__ import annotations

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.probes.governor import Governor
from fwmemtrace.records import PythonHeap
from fwmemtrace.sinks import MemorySink
from fwmemtrace.tracing.phases import MOST_PATHS


class Clock:
    """A clock that the test sets."""

    now = 0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_budget_grants_first_runs_and_then_a_share(clock):
    budget = Governor(clock=clock).for_probe(0.1)
    assert budget.grants(("a",))
    budget.spend(100)
    assert budget.grants(("b",))
    assert not budget.grants(("a",))
    clock.now = 999
    assert not budget.grants(("a",))
    clock.now = 1000
    assert budget.grants(("a",))


def test_a_budget_has_an_advance_and_may_ask_for_a_part_of_its_share(clock):
    budget = Governor(clock=clock).for_probe(0.1, advance_ns=50)
    budget.spend(50)
    assert budget.affords()
    budget.spend(50)
    assert not budget.affords()
    clock.now = 500
    assert budget.affords()
    assert not budget.affords(0.5)


def test_first_runs_may_be_several_for_some_paths_and_have_a_limit_of_their_own(clock):
    budget = Governor(clock=clock).for_probe(0.0, first_runs=2, first_paths=1, first_share=0.5, first_advance_ns=10)
    assert [budget.grants_first(("a",)) for _ in range(3)] == [True, True, False]
    assert not budget.grants_first(("b",))
    budget = Governor(clock=clock).for_probe(0.0, first_runs=9, first_share=0.5, first_advance_ns=10)
    budget.spend(20)
    assert not budget.grants_first(("a",))
    clock.now = 20
    assert budget.grants_first(("a",))


def test_budgets_are_separate_unless_the_governor_has_a_limit(clock):
    governor = Governor(clock=clock)
    first, second = governor.for_probe(0.1), governor.for_probe(0.1)
    first.spend(1000)
    assert second.affords()
    assert not first.affords()
    assert (governor.spent_ns, first.spent_ns, second.spent_ns) == (1000, 1000, 0)


def test_the_limit_of_a_governor_holds_for_all_probes_and_first_runs_too(clock):
    governor = Governor(0.01, clock)
    first, second = governor.for_probe(1.0), governor.for_probe(1.0)
    assert first.grants(("a",))
    first.spend(10)
    assert not second.grants(("b",))
    clock.now = 1000
    assert second.grants(("b",))


def test_a_budget_remembers_a_limited_number_of_paths(clock):
    budget = Governor(clock=clock).for_probe(0.0)
    budget.spend(10)
    granted = sum(budget.grants((f"request {number}",)) for number in range(100_000))
    assert granted == MOST_PATHS
    assert len(budget._runs) == MOST_PATHS


def test_a_run_without_lines_says_so():
    def body():
        for _ in range(50):
            with phase("hot"):
                pass

    sink = MemorySink()
    with fwmemtrace.session(sink, probes=["python_heap"], interval=0, detail_share=0):
        body()
    heaps = [record for record in sink.records if isinstance(record, PythonHeap)]
    assert len(heaps) == 50
    assert [heap.detailed for heap in heaps] == [True] + [False] * 49
    assert not any(heap.top for heap in heaps[1:])


@pytest.mark.parametrize("bad", ["2", -0.1, "much"])
def test_a_bad_share_is_an_error_that_names_the_setting(bad):
    with pytest.raises(fwmemtrace.SettingsError, match="detail_share"):
        fwmemtrace.session(MemorySink(), detail_share=bad)
