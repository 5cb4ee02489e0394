from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace import results
from fwmemtrace.analysis.import_tree import lines, squeeze, tree
from fwmemtrace.reports.tree import guide


def module(name, parent=None, own=0, cumulative=None):
    return results.Import(
        module=name,
        parent=parent,
        own_bytes=own,
        cumulative_bytes=own if cumulative is None else cumulative,
        wall_ns=own,
        own_ns=own,
    )


ROWS = [
    module("app", None, 10, 100),
    module("torch", "app", 20, 70),
    module("torch._C", "torch", 50),
    module("json", "app", 15, 20),
    module("json.decoder", "json", 5),
]


def drawn(rows, top=99, depth=None, **squeezing):
    roots = tree(rows)
    if squeezing:
        roots = [squeeze(root) for root in roots]
    return [
        f"{guide(line.ends).text}{line.node.row.module if line.node else f'{line.hidden} more, {line.hidden_bytes}'}"
        for line in lines(roots, top, depth)
    ]


def test_the_tree():
    assert drawn(ROWS) == ["app", "├ torch", "│ └ torch._C", "└ json", "  └ json.decoder"]


def test_modules_that_are_not_shown_are_summed_up_where_they_belong():
    assert drawn(ROWS, top=2) == ["app", "├ torch", "│ └ 1 more, 50", "└ 2 more, 20"]
    assert drawn(ROWS, depth=1) == ["app", "└ 4 more, 90"]
    assert drawn(ROWS, top=1) == ["app", "└ 4 more, 90"]


def test_the_most_expensive_modules_are_shown_wherever_they_are():
    assert drawn(ROWS, top=3) == ["app", "├ torch", "│ └ torch._C", "└ 2 more, 20"]


def test_a_chain_of_modules_that_only_import_the_next_is_one_line():
    rows = [module("a", None, 1, 102), module("b", "a", 1, 101), module("c", "b", 99, 100), module("d", "c", 1)]
    (root,) = [squeeze(node) for node in tree(rows)]
    assert [row.module for row in root.through] == ["a", "b"]
    assert (root.row.module, root.own_bytes, root.whole.cumulative_bytes) == ("c", 101, 102)
    assert drawn(rows, squeezing=True) == ["c", "└ d"]


def test_a_module_stands_under_the_one_that_imported_it():
    rows = [
        module("app", None, 1, 109),
        module("app.guard", "app", 1, 101),
        module("vendor", "app.guard", 100),
        module("app.sessions", "app", 7),
    ]
    (app,) = [squeeze(node) for node in tree(rows)]
    guard, sessions = app.children
    assert (app.row.module, app.through, app.whole.cumulative_bytes) == ("app", [], 109)
    assert (guard.row.module, [row.module for row in guard.through]) == ("vendor", ["app.guard"])
    assert (guard.children, guard.own_bytes, guard.whole.cumulative_bytes) == ([], 101, 101)
    assert (sessions.row.module, sessions.own_bytes) == ("app.sessions", 7)


def test_a_ring_or_a_missing_parent_hides_no_module():
    rows = [module("a", "b", 1), module("b", "a", 2), module("c", "gone", 3)]
    assert sorted(line.strip("└├│ ") for line in drawn(rows)) == ["a", "b", "c"]


NAMES = st.sampled_from([f"m{n}" for n in range(12)])


@given(
    st.dictionaries(NAMES, st.tuples(st.none() | NAMES, st.integers(-5, 100), st.integers(-5, 300)), max_size=12),
    st.integers(1, 15),
    st.none() | st.integers(1, 5),
    st.booleans(),
)
def test_the_lines_add_up_however_the_tree_is_cut(modules, top, depth, squeezed):
    rows = [module(name, parent, own, cumulative) for name, (parent, own, cumulative) in modules.items()]
    roots = [squeeze(root) if squeezed else root for root in tree(rows)]
    shown = lines(roots, top, depth)
    assert sum(line.hidden_bytes if line.node is None else line.node.own_bytes for line in shown) == sum(
        row.own_bytes for row in rows
    )
    assert sum(line.hidden if line.node is None else 1 + len(line.node.through) for line in shown) == len(rows)
    assert sum(line.node is not None for line in shown) <= top
