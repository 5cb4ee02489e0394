"""Rises of RSS by stack: who is charged, and that everything adds up."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fwmemtrace
from fwmemtrace.probes.resident.rises import RiseSampler
from fwmemtrace.records import ModuleImport, RssChange, SampledStack
from fwmemtrace.sinks import MemorySink
from fwmemtrace.system.threads import page_faults

MB = 1_000_000


def sampler(records, rss=100 * MB, attributed=lambda rss: 0, faults=dict):
    return RiseSampler(records.append, rss, attributed, faults)


def changes(records):
    return [record for record in records if isinstance(record, RssChange)]


def functions_of(records, change):
    (stack,) = (record for record in records if isinstance(record, SampledStack) and record.stack == change.stack)
    return [function for function, _, _ in stack.frames]


class Elsewhere:
    """A thread that stays in `busy`, then in `idle`, until it is let go."""

    def __init__(self):
        self.leave_busy, self.leave_idle = threading.Event(), threading.Event()
        self.in_busy, self.in_idle = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        self.busy()
        self.idle()

    def busy(self):
        self.in_busy.set()
        while not self.leave_busy.is_set():
            time.sleep(0.001)

    def idle(self):
        self.in_idle.set()
        while not self.leave_idle.is_set():
            time.sleep(0.001)


@pytest.fixture
def elsewhere(monkeypatch):
    @contextmanager
    def running():
        other = Elsewhere()
        other.thread.start()
        other.in_busy.wait()
        # The test's own thread is the one that looks, so it is never charged; further threads of pytest are left out.
        import sys

        real = sys._current_frames
        monkeypatch.setattr(
            sys, "_current_frames", lambda: {i: f for i, f in real().items() if i == other.thread.ident}
        )
        try:
            yield other
        finally:
            other.leave_busy.set()
            other.leave_idle.set()
            other.thread.join()

    return running


def test_a_rise_is_charged_to_the_stack_that_runs(elsewhere):
    records = []
    with elsewhere() as other:
        assert sampler(records).look(103 * MB, 1)
    (change,) = changes(records)
    assert (change.delta_bytes, change.rss_bytes, change.thread_id) == (3 * MB, 103 * MB, other.thread.ident)
    assert "Elsewhere.busy" in functions_of(records, change)


def test_a_fall_is_charged_to_nobody(elsewhere):
    records = []
    with elsewhere():
        assert not sampler(records).look(90 * MB, 1)
    (change,) = changes(records)
    assert (change.delta_bytes, change.stack) == (-10 * MB, 0)


def test_small_changes_are_carried_over(elsewhere):
    records = []
    with elsewhere():
        rises = sampler(records)
        for step in range(1, 21):
            rises.look(100 * MB + step * 10_000, step)
    assert sum(change.delta_bytes for change in changes(records)) in range(128 * 1024, 200_001)


def test_the_end_of_a_rise_that_the_next_function_shows_belongs_to_the_one_before(elsewhere):
    records = []
    with elsewhere() as other:
        rises = sampler(records)
        rises.look(110 * MB, 1)
        other.leave_busy.set()
        other.in_idle.wait()
        rises.look(115 * MB, 2)  # it ran on for a while in `busy`
        rises.look(115 * MB, 3)  # and `idle` adds nothing
        rises.finish(115 * MB, 4)
    assert sum(change.delta_bytes for change in changes(records)) == 15 * MB
    assert all("Elsewhere.busy" in functions_of(records, change) for change in changes(records))


def test_a_rise_much_larger_than_the_one_before_is_not_its_end(elsewhere):
    records = []
    with elsewhere() as other:
        rises = sampler(records)
        rises.look(101 * MB, 1)
        other.leave_busy.set()
        other.in_idle.wait()
        rises.look(251 * MB, 2)
        rises.look(251 * MB, 3)
    assert [change.delta_bytes for change in changes(records)] == [MB, 150 * MB]
    assert "Elsewhere.idle" in functions_of(records, changes(records)[1])


def test_a_function_that_goes_on_rising_is_charged_from_its_first_rise(elsewhere):
    records = []
    with elsewhere() as other:
        rises = sampler(records)
        rises.look(110 * MB, 1)
        other.leave_busy.set()
        other.in_idle.wait()
        rises.look(115 * MB, 2)
        rises.look(120 * MB, 3)
        rises.finish(120 * MB, 4)
    by_function = {}
    for change in changes(records):
        name = "idle" if "Elsewhere.idle" in functions_of(records, change) else "busy"
        by_function[name] = by_function.get(name, 0) + change.delta_bytes
    assert by_function == {"busy": 10 * MB, "idle": 10 * MB}


def test_of_several_threads_the_one_with_most_page_faults_is_charged():
    one, other = Elsewhere(), Elsewhere()
    for each in (one, other):
        each.thread.start()
        each.in_busy.wait()
    records = []
    try:
        faults = {one.thread.ident: 1000, other.thread.ident: 10}
        rises = sampler(records, faults=lambda: dict(faults))
        rises.look(110 * MB, 1)
        faults[other.thread.ident] += 5000
        rises.look(120 * MB, 2)
        rises.finish(120 * MB, 3)
    finally:
        for each in (one, other):
            each.leave_busy.set()
            each.leave_idle.set()
            each.thread.join()
    assert [change.thread_id for change in changes(records)] == [one.thread.ident, other.thread.ident]


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(-(10**6), 10**8)), min_size=1, max_size=30))
def test_all_changes_add_up(readings):
    """To the change of RSS, less what others account for."""
    total = [0]
    records = []
    rises = sampler(records, attributed=lambda rss: total[0])
    for at, (rss, imported) in enumerate(readings):
        total[0] += imported
        rises.look(rss, at)
    rises.finish(readings[-1][0], len(readings))
    changed = sum(change.delta_bytes for change in changes(records))
    assert changed == readings[-1][0] - 100 * MB - total[0]


def test_a_session_charges_the_function_that_allocates_and_leaves_imports_out(tmp_path, monkeypatch):
    (tmp_path / "fw_big_module.py").write_text("block = bytearray(60_000_000)\n")
    monkeypatch.syspath_prepend(tmp_path)
    sink = MemorySink()
    kept = []

    def wait_for(size):
        """Stay here until a rise was seen, however busy the machine is."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if sum(change.delta_bytes for change in changes(sink.records) if change.stack) >= size:
                return
            time.sleep(0.001)

    def hungry():
        kept.append(bytearray(200_000_000))
        wait_for(190_000_000)

    with fwmemtrace.session(sink, probes=["imports"], interval="10ms"):
        import fw_big_module

        hungry()
    assert len(fw_big_module.block) == 60_000_000
    charged = sum(
        change.delta_bytes
        for change in changes(sink.records)
        if change.stack and any("hungry" in name for name in functions_of(sink.records, change))
    )
    assert 190_000_000 <= charged < 230_000_000
    imported = sum(record.own_bytes for record in sink.records if isinstance(record, ModuleImport))
    assert imported >= 55_000_000


@pytest.mark.skipif(not page_faults(), reason="needs /proc/self/task")
def test_page_faults_count_what_a_thread_touches(new_memory):
    before = page_faults()[threading.get_ident()]
    block = new_memory(8_000_000)
    assert page_faults()[threading.get_ident()] - before > 0
    block.close()
