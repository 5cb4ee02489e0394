from fwmemtrace.analysis.imports import ImportFold
from fwmemtrace.paths import read
from fwmemtrace.records import ModuleImport, PhaseBegin, PhaseEnd
from fwmemtrace.results import OwnImport


def imported(
    module, parent=None, own=10, cumulative=None, *, at=0, asked_by="main:1", error=None, reload=False, line=0
):
    return ModuleImport(
        span=0,
        module=module,
        parent=parent,
        asked_by="" if parent else asked_by,
        depth=0,
        thread_id=1,
        time_ns=at,
        own_bytes=own,
        cumulative_bytes=own if cumulative is None else cumulative,
        own_ns=own,
        cumulative_ns=own if cumulative is None else cumulative,
        error=error,
        reload=reload,
        own_file="app.py" if line else "",
        own_line=line,
    )


def fold(*records, path=""):
    result = ImportFold()
    for record in records:
        result.add(record, read(path))
    return result


def test_chains_and_packages():
    # In the order of records: an inner import ends before the one around it.
    result = fold(
        imported("scipy.sparse", "sklearn.utils", 50, at=3),
        imported("sklearn.utils", "sklearn", 5, 55, at=2),
        imported("scipy.stats", "scipy.sparse", 7, at=4),
        imported("sklearn", None, 20, 75, at=1, asked_by="service:12"),
    )
    rows = {row.module: row for row in result.imports()}
    assert [row.module for row in result.imports()] == ["scipy.sparse", "sklearn", "scipy.stats", "sklearn.utils"]
    assert rows["scipy.sparse"].chain == ["sklearn", "sklearn.utils"]
    assert rows["scipy.sparse"].asked_by == "service:12"
    assert (rows["sklearn"].parent, rows["sklearn"].cumulative_bytes) == (None, 75)
    scipy, sklearn = result.packages()
    assert (scipy.package, scipy.own_bytes, scipy.modules) == ("scipy", 57, 2)
    assert scipy.chain == ["sklearn", "sklearn.utils"]
    assert (sklearn.own_bytes, sklearn.chain) == (25, [])


def test_what_no_module_accounts_for_is_in_the_row_of_each_phase_around():
    result = ImportFold()
    result.add(PhaseBegin(1, 0, "init", 1, 0, 100), ("init",))
    result.add(PhaseBegin(2, 1, "load", 1, 0, 110), ("init", "load"))
    result.add(imported("torch", own=70), ("init", "load"))
    result.add(PhaseEnd(2, 0, 190, 190), ("init", "load"))
    result.add(PhaseEnd(1, 0, 200, 200), ("init",))
    rows = {row.path: row for row in result.phases()}
    assert (rows["init/load"].rss_delta_bytes, rows["init/load"].unaccounted_bytes) == (80, 10)
    assert (rows["init"].imported_bytes, rows["init"].unaccounted_bytes) == (70, 30)
    assert result.imports()[0].phase == "init/load"


def test_phases_without_imports_have_no_row():
    assert fold(PhaseBegin(1, 0, "p", 1, 0, 0), PhaseEnd(1, 0, 9, 9), path="p").phases() == []


def test_reloads_and_failed_attempts_are_in_one_row():
    result = fold(
        imported("optional", "a", 3, error="ModuleNotFoundError"),
        imported("optional", "b", 4),
        imported("optional", None, 2, reload=True),
    )
    (row,) = result.imports()
    assert (row.own_bytes, row.loads, row.error, row.parent) == (9, 2, None, "b")


def test_a_module_whose_import_failed_has_the_error():
    (row,) = fold(imported("missing", error="ModuleNotFoundError")).imports()
    assert (row.error, row.loads) == ("ModuleNotFoundError", 0)


def test_a_ring_of_parents_gives_finite_chains():
    result = fold(imported("a", "b"), imported("b", "a"))
    assert {row.module: row.chain for row in result.imports()} == {"a": ["b"], "b": ["a"]}


def test_an_import_has_the_nearest_line_of_the_program_s_own_code():
    result = fold(
        imported("scipy.sparse", "sklearn", 50, at=3),
        imported("sklearn", "app.guard", 5, 55, at=2, line=4),
        imported("app.guard", None, 1, 56, at=1, line=9),
        imported("six", None, 1, at=4),
    )
    nearest = {row.module: row.nearest_own for row in result.imports()}
    assert nearest["scipy.sparse"] == nearest["sklearn"] == OwnImport(file="app.py", line=4, module="sklearn")
    assert nearest["app.guard"] == OwnImport(file="app.py", line=9, module="app.guard")
    assert nearest["six"] is None
    packages = {row.package: row.nearest_own for row in result.packages()}
    assert packages["scipy"] == nearest["sklearn"]
