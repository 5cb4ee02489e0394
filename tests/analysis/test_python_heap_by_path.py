"""Readings of tracemalloc, folded by phase path."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from fwmemtrace.analysis.python_heap import PythonHeapFold
from fwmemtrace.records import HeapRow, PythonHeap


def test_the_calls_of_a_path_add_up():
    fold = PythonHeapFold()
    fold.add(PythonHeap(1, 100, 150, 400, [HeapRow("a.py", 1, 50, 50, 1, 1)]), ("init",))
    fold.add(
        PythonHeap(2, 150, 130, 300, [HeapRow("a.py", 1, 30, -20, 1, 0), HeapRow("b.py", 2, 7, 7, 1, 1)]), ("init",)
    )
    fold.add(PythonHeap(3, 130, 131, 131, [], detailed=False), ("init",))
    fold.add(PythonHeap(4, 0, 5, 9, []), ("other",))
    init = fold.result()["init",]
    assert (init.delta_bytes, init.peak_bytes, init.detailed_calls) == (31, 400, 2)
    assert [(site.file, site.size_bytes, site.delta_bytes, site.delta_count) for site in init.top] == [
        ("a.py", 30, 30, 1),
        ("b.py", 7, 7, 1),
    ]
    assert fold.result()["other",].peak_bytes == 9


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))))
def test_changes_are_sums_and_peaks_are_maxima(runs):
    fold = PythonHeapFold()
    for span, (before, after, extra) in enumerate(runs):
        fold.add(PythonHeap(span, before, after, max(before, after) + extra, []), ("p",))
    if runs:
        found = fold.result()["p",]
        assert found.delta_bytes == sum(after - before for before, after, _ in runs)
        assert found.peak_bytes == max(max(before, after) + extra for before, after, extra in runs)
