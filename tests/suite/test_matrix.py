"""The decision matrix from made-up processes: what it lists, what it leaves out, and the limits of every lever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace import results
from fwmemtrace.analysis.suite.build import build
from fwmemtrace.analysis.suite.reading import SuiteProcess, SuiteRecords
from fwmemtrace.records import (
    SuiteArray,
    SuiteArrays,
    SuiteBegin,
    SuiteDeferred,
    SuiteMember,
    SuiteRun,
    SuiteTwin,
    SuiteUse,
)

MB = 1_000_000
START = 20 * MB


def phase(path, before, after, peak=None):
    resident = results.Resident(
        before_bytes=before, after_bytes=after, delta_bytes=after - before, peak_bytes=peak or max(before, after)
    )
    return results.PhaseRow(path=path, pid=1, calls=1, errors=0, wall_ns=1000, resident=resident)


def process(purpose, held, *, variant="", imports=None, own=None, name="c", outcome="ok", trim=None):
    """A process that holds this many bytes after its requests."""
    end = START + held
    phases = [phase("import", START, START), phase("init", START, end), phase("after gc", end, end)]
    if trim is not None:
        returned, came_back = trim
        phases += [phase("after trim", end, end - returned)]
        phases += [phase("batch again", end - returned, end - returned + came_back)]
    info = results.TraceInfo(complete=True, lost_records=0, damaged_bytes=0, notes=[], processes=[])
    report = results.TraceReport(trace=info, phases=phases, imports=imports)
    run = SuiteRun(1, name, purpose, 0, variant, outcome, "", "", 1)
    return SuiteProcess(run, report, own or SuiteRecords())


def matrix(*processes, variants=(), budget=None):
    begin = SuiteBegin("suite.py", 1, 0, 0, "", 0, 9 * MB)
    names = dict.fromkeys(found.run.component for found in processes if found.run.component)
    members = [SuiteMember(name, at, 1, 1, list(variants)) for at, name in enumerate(names)]
    return build(begin, members, list(processes), budget)


def weights(private, resident):
    return SuiteArrays([SuiteArray("torch", "float32", 4, 10, 400 * MB, resident, private, True)], [])


def test_narrower_weights_save_private_bytes():
    own = SuiteRecords(arrays=weights(400 * MB, 400 * MB))
    found = matrix(process("resident", 500 * MB), process("use", 500 * MB, own=own)).matrix
    assert {(lever.action, lever.subject): lever.saves_low_bytes for lever in found} == {
        ("narrow weights", "float16"): 200 * MB,
        ("narrow weights", "int8"): 300 * MB,
    }
    assert all(lever.basis == "computed" for lever in found)


def test_narrowing_clean_pages_of_a_mapped_file_saves_nothing():
    own = SuiteRecords(arrays=weights(0, 400 * MB))
    assert matrix(process("resident", 500 * MB), process("use", 500 * MB, own=own)).matrix == []


def test_equal_tensors_save_their_extra_copies():
    twin = SuiteTwin("torch", "float32", [100, 100], 2, 40 * MB, 40 * MB, ["Linear.weight"])
    own = SuiteRecords(arrays=SuiteArrays([], [twin]))
    (lever,) = matrix(process("resident", 500 * MB), process("use", 500 * MB, own=own)).matrix
    assert (lever.kind, lever.saves_low_bytes, lever.saves_high_bytes) == ("twin", 40 * MB, 40 * MB)


def test_memory_that_the_next_requests_take_again_is_not_in_the_smallest_saving():
    (lever,) = matrix(process("resident", 500 * MB, trim=(100 * MB, 60 * MB))).matrix
    assert (lever.saves_low_bytes, lever.saves_high_bytes) == (40 * MB, 100 * MB)


def unused(own_bytes):
    return [
        results.Import(module="idle", parent=None, own_bytes=own_bytes, cumulative_bytes=0, wall_ns=0, phase="init")
    ]


USE = SuiteRecords(use=SuiteUse([], [], 5))


def test_an_unused_import_is_computed_until_deferring_it_was_tried():
    light, use = process("resident", 500 * MB, imports=unused(80 * MB)), process("use", 500 * MB, own=USE)
    (lever,) = matrix(light, use).matrix
    assert (lever.basis, lever.saves_low_bytes) == ("computed", 80 * MB)
    tried = process(
        "deferred", 430 * MB, variant="idle", own=SuiteRecords(deferred=SuiteDeferred(["idle"], {}, ["idle"]))
    )
    (lever,) = matrix(light, use, tried).matrix
    assert (lever.basis, lever.saves_low_bytes) == ("measured", 70 * MB)


def test_an_import_that_another_component_uses_saves_nothing_in_the_service():
    other = SuiteRecords(use=SuiteUse(["idle"], [], 5))
    (lever,) = matrix(
        process("resident", 500 * MB, imports=unused(80 * MB)),
        process("use", 500 * MB, own=USE),
        process("resident", 100 * MB, imports=unused(80 * MB), name="other"),
        process("use", 100 * MB, own=other, name="other"),
    ).matrix
    assert (lever.component, lever.in_service_bytes) == ("c", 0)


def test_an_import_that_no_component_uses_saves_memory_only_if_all_of_them_drop_it():
    suite = matrix(
        process("resident", 500 * MB, imports=unused(80 * MB)),
        process("use", 500 * MB, own=USE),
        process("resident", 100 * MB, imports=unused(60 * MB), name="other"),
        process("use", 100 * MB, own=USE, name="other"),
        process("together", 520 * MB, name=""),
    )
    found = {lever.component: (lever.saves_low_bytes, lever.in_service_bytes) for lever in suite.matrix}
    assert found == {
        "the service": (80 * MB, 80 * MB),
        "c": (80 * MB, 0),
        "other": (60 * MB, 0),
    }
    assert suite.matrix[0].component == "the service"
    assert suite.matrix[0].now_bytes == 520 * MB


def test_no_import_is_listed_if_its_use_was_not_watched():
    assert matrix(process("resident", 500 * MB, imports=unused(80 * MB))).matrix == []


def test_a_variant_within_the_noise_is_not_listed():
    runs = [process("resident", size * MB) for size in (90, 110)]
    assert matrix(*runs, process("variant", 85 * MB, variant="v"), variants=["v"]).matrix == []
    (lever,) = matrix(*runs, process("variant", 60 * MB, variant="v"), variants=["v"]).matrix
    assert (lever.saves_low_bytes, lever.saves_high_bytes) == (30 * MB, 50 * MB)


def test_a_variant_that_helps_alone_and_costs_in_the_service_comes_last():
    suite = matrix(
        process("resident", 500 * MB, trim=(20 * MB, 0)),
        process("variant", 200 * MB, variant="v"),
        process("together", 700 * MB, name=""),
        process("together", 750 * MB, variant="v"),
        variants=["v"],
    )
    assert [(lever.action, lever.in_service_bytes) for lever in suite.matrix] == [
        ("trim allocator", None),
        ("use variant", -50 * MB),
    ]


def test_a_component_that_was_never_reached_is_not_run():
    begin, members = SuiteBegin("suite.py", 1, 0, 0, "", 0, 9 * MB), [SuiteMember("c", 0, 1, 1, [])]
    (component,) = build(begin, members, [], None).components
    assert (component.outcome, component.held) == ("not run", None)


@given(st.integers(0, 2000 * MB), st.integers(1, 3000 * MB))
def test_a_need_is_never_negative(held, limit):
    budget = matrix(process("resident", held), budget=limit).budget
    assert budget.need_bytes == max(0, budget.peak_bytes - limit)


SIZES = st.lists(st.integers(0, 600 * MB), min_size=1, max_size=3)


@given(SIZES, SIZES, st.integers(-50 * MB, 600 * MB), st.integers(-50 * MB, 600 * MB), st.integers(0, 700 * MB))
def test_no_lever_saves_less_than_nothing_or_more_than_is_held(before, after, returned, back, private):
    own = SuiteRecords(arrays=weights(private, 700 * MB), use=SuiteUse([], [], 1))
    suite = matrix(
        *(process("resident", size, trim=(returned, back), imports=unused(private)) for size in before),
        *(process("variant", size, variant="v") for size in after),
        process("use", before[0], own=own),
        variants=["v"],
    )
    for lever in suite.matrix:
        assert 0 <= lever.saves_low_bytes <= lever.saves_high_bytes <= lever.now_bytes
        assert lever.evidence


@pytest.mark.parametrize("outcome", ["raised", "timed out", "killed", "out of memory", "left"])
def test_a_variant_that_fails_is_no_lever(outcome):
    run = process("variant", 10 * MB, variant="v", outcome=outcome)
    run.report.phases = run.report.phases[:2]  # it did not finish
    suite = matrix(process("resident", 500 * MB), run, variants=["v"])
    assert suite.matrix == []
    assert suite.components[0].failures[0].outcome == outcome


def test_a_saving_below_the_differences_between_services_is_left_out():
    runs = [
        process("resident", 500 * MB),
        process("variant", 480 * MB, variant="v"),
        process("together", 700 * MB, name=""),
        process("together", 730 * MB, name=""),
        process("together", 725 * MB, variant="v"),
    ]
    (lever,) = matrix(*runs, variants=["v"]).matrix
    assert (lever.saves_low_bytes, lever.in_service_bytes) == (20 * MB, None)
    assert [fact.bytes for fact in lever.evidence if fact.kind == "service spread"] == [[30 * MB]]


def with_peak(found, peak):
    """The same process with a higher peak in `init`."""
    found.report.phases[1].resident.peak_bytes = START + peak
    return found


def test_a_variant_with_a_higher_peak_does_not_help_with_a_budget():
    runs = [
        process("resident", 500 * MB, trim=(20 * MB, 0)),
        process("variant", 300 * MB, variant="v"),
        with_peak(process("together", 700 * MB, name=""), 700 * MB),
        with_peak(process("together", 500 * MB, variant="v"), 900 * MB),
    ]
    free = matrix(*runs, variants=["v"]).matrix
    assert [lever.action for lever in free] == ["use variant", "trim allocator"]
    assert (free[0].in_service_bytes, free[0].in_service_peak_bytes) == (200 * MB, -200 * MB)
    tight = matrix(*runs, variants=["v"], budget=600 * MB).matrix
    assert [lever.action for lever in tight] == ["trim allocator", "use variant"]


def test_a_component_with_a_slash_in_its_name_is_measured_in_the_service():
    together = process("together", 700 * MB, name="")
    together.report.phases += [
        phase(r"GET \/check", START, START + 600 * MB),
        phase(r"GET \/check/batch", START + 500 * MB, START + 600 * MB),
    ]
    suite = matrix(process("resident", 500 * MB, name="GET /check"), together)
    (part,) = suite.sharing.order
    assert (part.name, part.marginal_bytes, part.failed) == ("GET /check", 600 * MB, False)
