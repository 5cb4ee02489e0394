"""Folding tracemalloc's traces, compared with tracemalloc's own statistics."""

from __future__ import annotations

import gc
import threading
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace.probes.python_heap import fold as heap_fold
from fwmemtrace.probes.python_heap import rows as heap_rows
from fwmemtrace.probes.python_heap.source_packages import SourcePackages


@pytest.fixture
def tracing():
    tracemalloc.start(5)
    yield
    tracemalloc.stop()


def line_of(found):
    return found.traceback[0].filename, found.traceback[0].lineno


def live_objects():
    kept = [bytes(100 + number % 50) for number in range(5000)]
    kept += [{"key": [number, str(number)]} for number in range(1000)]
    return kept


def test_lines_equal_those_of_the_standard_library(tracing):
    kept = live_objects()
    gc.collect()
    gc.disable()
    try:
        snapshot = tracemalloc.take_snapshot()
        fold = heap_fold.fold_traces(snapshot.traces._traces)
    finally:
        gc.enable()
    theirs = {
        (s.traceback[0].filename, s.traceback[0].lineno): (s.size, s.count) for s in snapshot.statistics("lineno")
    }
    assert heap_rows.group(fold, heap_rows.line_of) == theirs
    stacks = {
        tuple((f.filename, f.lineno) for f in reversed(s.traceback)): s.size for s in snapshot.statistics("traceback")
    }
    assert {frames: size for frames, (size, _) in fold.items()} == stacks
    assert kept


def test_changes_equal_compare_to(tracing):
    kept = live_objects()
    before = tracemalloc.take_snapshot()
    more = live_objects()
    del kept[:2500]
    after = tracemalloc.take_snapshot()
    ours = heap_rows.changes(
        heap_rows.group(heap_fold.fold_traces(before.traces._traces), heap_rows.line_of),
        heap_rows.group(heap_fold.fold_traces(after.traces._traces), heap_rows.line_of),
    )
    theirs = {
        line_of(found): (found.size, found.size_diff, found.count, found.count_diff)
        for found in after.compare_to(before, "lineno")
    }
    assert ours == theirs
    assert more


def test_fold_heap_sees_what_a_snapshot_sees(tracing):
    kept = live_objects()
    size, count = heap_rows.group(heap_fold.fold_heap(), heap_rows.line_of)[
        __file__, live_objects.__code__.co_firstlineno + 1
    ]
    line = tracemalloc.Filter(True, __file__, live_objects.__code__.co_firstlineno + 1)
    [theirs] = tracemalloc.take_snapshot().filter_traces([line]).statistics("lineno")
    assert (size, count) == (theirs.size, theirs.count)
    assert gc.isenabled()
    assert kept


def test_fold_heap_without_tracing_is_empty():
    assert heap_fold.fold_heap() == {}


FIGURES = st.tuples(st.integers(0, 10**9), st.integers(1, 10**6))
FOLDS = st.dictionaries(st.tuples(st.tuples(st.sampled_from(["a.py", "b.py", "c.py"]), st.integers(1, 5))), FIGURES)


@given(FOLDS, FOLDS)
def test_changes_add_up_to_the_difference_of_the_heaps(before, after):
    found = heap_rows.changes(before, after)
    assert sum(change[1] for change in found.values()) == sum(s for s, _ in after.values()) - sum(
        s for s, _ in before.values()
    )
    assert sum(change[3] for change in found.values()) == sum(c for _, c in after.values()) - sum(
        c for _, c in before.values()
    )
    top = heap_rows.top_by_growth(found, 3)
    rest = [change[1] for key, change in found.items() if key not in dict(top)]
    if top and top[-1][1][1] > 0:
        assert all(growth <= top[-1][1][1] for growth in rest)


@given(FOLDS)
def test_packing_keeps_a_fold(fold):
    assert heap_fold.unpack(heap_fold.pack(fold)) == fold


def test_packages_by_path():
    packages = SourcePackages()
    expected = {
        "/env/lib/python3.11/site-packages/torch/nn/modules/linear.py": "torch",
        "/env/lib/python3.11/site-packages/six.py": "six",
        threading.__file__: "stdlib",
        "<frozen importlib._bootstrap>": "stdlib",
        "<unknown>": "<unknown>",
        "/app/firewall/gate.py": "firewall",
        heap_rows.__file__: "fwmemtrace",
    }
    assert {file: packages.of(((file, 1),)) for file in expected} == expected
