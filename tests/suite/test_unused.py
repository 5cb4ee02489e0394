"""Unused imports: modules that belong together are one line, and no byte is counted twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace.analysis.suite.unused import unused_imports, with_suite_file
from fwmemtrace.results import Import, OwnImport


def row(module, own, parent=None, phase="init"):
    return Import(module=module, parent=parent, own_bytes=own, cumulative_bytes=own, wall_ns=0, phase=phase)


def test_a_package_with_a_module_in_use_is_not_listed():
    imports = [row("a", 10), row("a.b", 20, "a"), row("c", 30)]
    assert [(one.root, one.bytes) for one in unused_imports(imports, {"a.b"})] == [("c", 30)]


def test_modules_that_an_unused_one_imported_first_belong_to_it():
    imports = [row("a", 10), row("b", 20, "a"), row("b.c", 5, "b"), row("d", 1, "b.c"), row("e", 7)]
    (first, second) = unused_imports(imports, set())
    assert (first.root, first.bytes, first.modules, first.with_it) == ("a", 36, 4, ("b", "d"))
    assert (second.root, second.bytes) == ("e", 7)


def test_modules_imported_by_one_in_use_stand_alone():
    imports = [row("a", 10), row("used", 20, "a"), row("b", 5, "used")]
    assert [one.root for one in unused_imports(imports, {"used"})] == ["a", "b"]


def test_parts_of_a_package_in_use_are_listed_only_on_request():
    imports = [row("a", 10), row("a.used", 5, "a"), row("a.idle", 20, "a"), row("a.idle.inner", 2, "a.idle")]
    assert unused_imports(imports, {"a.used"}) == []
    (idle,) = unused_imports(imports, {"a.used"}, whole=False)
    assert (idle.root, idle.bytes) == ("a.idle", 22)


def test_the_tracer_s_own_imports_are_left_out():
    imports = [row("psutil", 10), row("fwmemtrace.x", 10), row("a", 10, phase=""), row("b", 10)]
    assert [one.root for one in unused_imports(imports, set())] == ["b"]


def test_what_the_standard_library_imports_of_itself_is_left_out():
    imports = [row("asyncio", 5), row("ssl", 20, "asyncio"), row("csv", 5), row("vendor", 1), row("email", 3, "vendor")]
    assert [one.root for one in unused_imports(imports, {"asyncio", "vendor"})] == ["csv", "email"]


NAMES = st.sampled_from(["a", "a.b", "a.b.c", "b", "b.d", "c", "c.e", "d"])


@given(
    st.lists(st.tuples(NAMES, st.integers(-5, 100), st.none() | NAMES), unique_by=lambda item: item[0]),
    st.sets(NAMES),
    st.booleans(),
)
def test_no_byte_is_counted_twice_and_nothing_in_use_is_counted(rows, used, whole):
    imports = [row(name, own, parent) for name, own, parent in rows]
    found = unused_imports(imports, used, whole=whole)
    idle = [one for one in imports if one.module not in used]
    assert sum(one.modules for one in found) <= len(idle)
    below = {one.module: one for one in idle if not any(name.startswith(f"{one.module}.") for name in used)}
    if whole:
        below = {
            name: one
            for name, one in below.items()
            if name.partition(".")[0] not in {u.partition(".")[0] for u in used}
        }
    assert sum(one.bytes for one in found) == sum(one.own_bytes for one in below.values())


@pytest.mark.parametrize(
    ("spec", "used"),
    [("/srv/suite.py:gate", {"mine", "theirs"}), ("pkg.suite", {"mine", "theirs"}), ("other.py", {"mine"})],
)
def test_what_the_suite_file_imports_for_another_component_is_no_fault_of_this_one(spec, used):
    own = OwnImport(file="/srv/suite.py", line=1, module="theirs")
    imports = [
        Import(module=name, parent=None, own_bytes=1, cumulative_bytes=1, wall_ns=0, nearest_own=nearest)
        for name, nearest in (("theirs", own), ("elsewhere", None))
    ]
    assert with_suite_file(imports, frozenset({"mine"}), {"theirs", "elsewhere"}, spec) == used
