"""Which runs of a phase get the expensive reading."""

from __future__ import annotations

import sys

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.probes.governor import Governor
from fwmemtrace.records import PythonHeap
from fwmemtrace.sinks.memory import MemorySink

MB = 10**6


def test_budget_grants_first_runs_and_then_a_share():
    now = [0]
    budget = Governor(0.1, lambda: now[0])
    assert budget.grants("a")
    budget.spend(100)
    assert budget.grants("b")
    assert not budget.grants("a")
    now[0] = 999
    assert not budget.grants("a")
    now[0] = 1000
    assert budget.grants("a")


def test_budget_remembers_no_more_than_it_must():
    budget = Governor(0.0, lambda: 1)
    budget.spend(10)
    granted = sum(budget.grants(f"request {number}") for number in range(100_000))
    assert granted < 10_000
    assert sys.getsizeof(budget._seen) < MB


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
def test_a_bad_share_is_named(bad):
    with pytest.raises(fwmemtrace.SettingsError, match="detail_share"):
        fwmemtrace.session(MemorySink(), detail_share=bad)
