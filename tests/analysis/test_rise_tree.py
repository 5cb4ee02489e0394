"""Rises by line and as a tree."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace import results
from fwmemtrace.analysis.rise_lines import rise_lines
from fwmemtrace.analysis.rise_tree import rise_rows, rise_tree

OWN, TORCH = "/srv/app.py", "/venv/lib/python3.11/site-packages/torch/nn.py"
UVICORN, JSON = "/venv/lib/python3.11/site-packages/uvicorn/server.py", "/usr/lib/python3.11/json/decoder.py"
MB = 10**6


def rise(size, *frames, path="main", package=""):
    stack = [results.Frame(function=function, file=file, line=line) for function, file, line in frames]
    line = next((frame for frame in stack if frame.file == OWN), None)
    return results.Rise(
        path=path, bytes=size, at_peak_bytes=size // 2, looks=1, line=line, package=package, stack=stack
    )


LOAD, MAIN = ("load", OWN, 7), ("main", OWN, 20)
RISES = [
    rise(60 * MB, ("linear", TORCH, 1), ("call", TORCH, 2), LOAD, MAIN, ("serve", UVICORN, 5), package="torch"),
    rise(30 * MB, ("decode", JSON, 1), LOAD, MAIN),
    rise(8 * MB, ("main", OWN, 21)),
    rise(2 * MB, ("decode", JSON, 1)),
]


def drawn(rises, top=10, least=0):
    return [
        (row.guide, row.node.name if row.node else row.hidden, row.bytes)
        for row in rise_rows(rise_tree(rises), top, least)
    ]


def test_the_tree_has_the_program_s_functions_and_the_package_that_ran():
    assert drawn(RISES) == [
        ("", "main", 98 * MB),
        ("└ ", "load", 90 * MB),
        ("  └ ", "torch", 60 * MB),
        ("", "standard library", 2 * MB),
    ]


def test_a_function_is_shown_with_its_largest_line():
    (main, _) = rise_tree(RISES)
    assert (main.line.line, main.bytes, main.at_peak_bytes) == (20, 98 * MB, 49 * MB)


def test_small_items_are_summed_up_where_they_belong():
    rises = [rise(50, ("a", OWN, 1)), rise(3, ("b", OWN, 2)), rise(2, ("c", OWN, 3))]
    assert drawn(rises, least=10) == [("", "a", 50), ("", 2, 5)]
    assert drawn(rises, top=2) == [("", "a", 50), ("", "b", 3), ("", 1, 2)]


def test_recursion_is_one_node():
    assert drawn([rise(5, ("walk", OWN, 3), ("walk", OWN, 3), ("main", OWN, 9))]) == [
        ("", "main", 5),
        ("└ ", "walk", 5),
    ]


@given(
    st.lists(st.tuples(st.integers(1, 10**9), st.lists(st.sampled_from([LOAD, MAIN, ("f", TORCH, 1), ("g", JSON, 1)]))))
)
def test_outermost_rows_add_up(made):
    rises = [rise(size, *frames) for size, frames in made]
    for top in (0, 1, 20):
        rows = rise_rows(rise_tree(rises), top, 0)
        outermost = [row for row in rows if row.guide == ""]
        assert sum(row.bytes for row in outermost) == sum(each.bytes for each in rises)


def ledger(path, **items):
    return results.Ledger(
        path=path,
        rss_delta_bytes=0,
        unexplained_bytes=0,
        items=[results.LedgerItem(category=category, owner="malloc", bytes=size) for category, size in items.items()],
    )


def kinds(rises, *ledgers, imported=0):
    imports = [
        results.ImportPhase(path="main", modules=1, imported_bytes=imported, rss_delta_bytes=0, unaccounted_bytes=0)
    ]
    return [(row.line.line, row.bytes, row.category) for row in rise_lines(rises, ledgers, imports)]


def test_lines_add_up_all_stacks_below_them():
    assert kinds(RISES) == [(7, 60 * MB, None), (7, 30 * MB, None), (21, 8 * MB, None)]


def test_the_kind_of_memory_is_named_only_if_the_figures_leave_no_other_way():
    large, small = rise(100 * MB, LOAD), rise(10 * MB, MAIN)
    assert kinds([large, small], ledger("main", heap=105 * MB))[0] == (7, 100 * MB, "heap")
    # The other line's 10 MB and the imports' 20 MB may be of that kind as well: 75 MB are certain.
    assert kinds([large, small], ledger("main", heap=105 * MB), imported=20 * MB)[0] == (7, 100 * MB, None)
    assert kinds([large, small], ledger("other", heap=105 * MB))[0] == (7, 100 * MB, None)
    assert kinds([large, small], ledger("main", heap=105 * MB))[1] == (20, 10 * MB, None)
