"""Collections and what they free, by phase."""

from __future__ import annotations

import gc

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.analysis.collector import CollectorFold
from fwmemtrace.records import Collections, FullCollection, Note, PhaseBegin
from fwmemtrace.sinks.memory import MemorySink


class Node:
    def __init__(self):
        self.me = self
        self.load = bytearray(10_000)


def trace(body, probes=("collector",), **given):
    sink = MemorySink()
    with fwmemtrace.session(sink, probes=probes, interval=0, **given):
        body()
    names = {record.span: record.name for record in sink.records if isinstance(record, PhaseBegin)}
    return sink.records, names


@pytest.fixture
def quiet():
    """No collection but those that the test makes; the collector counts as switched on."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.set_threshold(0)
    yield
    gc.set_threshold(*thresholds)


def test_runs_and_freed_objects_per_phase(quiet):
    def body():
        with phase("outer"):
            with phase("young"):
                gc.collect(0)
                gc.collect(0)
            with phase("full"):
                for _ in range(10):
                    Node()
                gc.collect()
            with phase("none"):
                pass

    records, names = trace(body)
    found = {names[record.span]: record for record in records if isinstance(record, Collections)}
    assert found["young"].runs == [2, 0, 0]
    assert found["full"].runs == [0, 0, 1]
    assert found["full"].collected >= 10
    assert found["full"].wall_ns > 0
    assert found["outer"].runs == [2, 0, 1]
    assert "none" not in found
    assert not [callback for callback in gc.callbacks if "Collector" in repr(callback)]


def test_what_a_full_collection_frees(quiet):
    def body():
        with phase("request"), phase("inner"):
            for _ in range(100):
                Node()
        with phase("clean"):
            pass

    records, names = trace(body, ["collector", "python_heap"])
    full = {names[record.span]: record for record in records if isinstance(record, FullCollection)}
    assert set(full) == {"request", "clean"}
    assert full["request"].collected >= 100
    assert 10**6 <= full["request"].heap_bytes < 1.2 * 10**6
    assert full["clean"].collected < 100
    # It is not among the program's own.
    assert not [record for record in records if isinstance(record, Collections)]


def test_no_collection_if_the_program_has_switched_the_collector_off():
    def body():
        with phase("p"):
            pass
        with phase("p"):
            pass

    gc.disable()
    try:
        records, _ = trace(body)
        assert not gc.isenabled()
    finally:
        gc.enable()
    assert not [record for record in records if isinstance(record, FullCollection)]
    assert len([record for record in records if isinstance(record, Note)]) == 1


def test_uncollectable_objects_are_named(quiet):
    def body():
        with phase("p"):
            Node()
            gc.collect()

    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        records, _ = trace(body)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    [note] = [record for record in records if isinstance(record, Note)]
    assert "test_collector.Node" in note.message


def test_runs_of_a_path_add_up():
    fold = CollectorFold()
    fold.add(Collections(1, [3, 1, 0], 100, 7, 0), "request")
    fold.add(Collections(2, [1, 0, 1], 50, 3, 1), "request")
    fold.add(FullCollection(2, 10, 5, 0, 1000, 900, 80), "request")
    fold.add(FullCollection(3, 10, 5, 0, 1000, 1000, None), "request")
    row = fold.result()["request"]
    assert (row.runs, row.wall_ns, row.collected, row.uncollectable) == ([4, 1, 1], 150, 10, 1)
    assert (row.full_collections, row.returned_bytes, row.returned_objects) == (2, 100, 10)
    assert row.returned_heap_bytes == 80
