"""The plan of planted services: what it finds, what it promises, and what it says where the budget is out of reach."""

from __future__ import annotations

import shutil

import pytest

import fwmemtrace

from .conftest import PLANTED, run_suite

pytestmark = pytest.mark.slow

MB = 1_000_000
FAST = ("--skip", "native,python")


def planned(folder, name, budget, *arguments):
    done = run_suite(PLANTED / name, folder / "s.bin", "--budget", budget, *arguments)
    assert done.status == 1, done.errors  # the service as it is exceeds the budget
    return done


def steps(plan):
    return [(step["component"], step["subject"]) for step in plan["steps"]]


def is_about(size, expected):
    return abs(size - expected) < 3 * MB


@pytest.fixture(scope="module")
def pair_only(tmp_path_factory):
    return planned(tmp_path_factory.mktemp("pair"), "pair_only.py", "150MB", "--repeat", "2", "--quick")


@pytest.fixture(scope="module")
def out_of_reach(tmp_path_factory):
    return planned(tmp_path_factory.mktemp("reach"), "out_of_reach.py", "100MB", "--repeat", "2", *FAST)


def test_a_pair_that_only_helps_together_is_found_and_measured(pair_only):
    plan = pair_only.suite["plan"]
    assert plan["within_budget"]
    assert sorted(steps(plan)) == [("ranking", "by key"), ("search", "streaming")]
    saved = plan["now"]["median_bytes"] - plan["result"]["median_bytes"]
    assert is_about(saved, 70 * MB)
    assert plan["result"]["runs"] >= 2
    assert plan["result"]["high_bytes"] <= 150 * MB
    assert plan["steps"][-1]["after_bytes"] == plan["result"]["median_bytes"]
    assert max(step["alone_bytes"] for step in plan["steps"]) < 3 * MB  # of no use, or harmful
    (pair,) = plan["pairs"]
    assert pair["together_bytes"] > 60 * MB > pair["apart_bytes"]


def test_every_format_has_the_same_plan(pair_only):
    trace = fwmemtrace.read(pair_only.trace)
    for format in ("text", "markdown", "html"):
        text = " ".join(trace.report(format, width=80).split())
        assert "is in reach: with 2 changes the service takes" in text
        assert "Use the variant" in text
    assert "Recommendations" not in trace.report("text")


def test_another_budget_is_planned_for_from_the_same_runs(pair_only):
    trace = fwmemtrace.read(pair_only.trace)
    assert trace.summary(budget="1GB").suite.plan is None
    plan = trace.summary(budget="195MB").suite.plan
    assert plan.within_budget
    assert len(plan.steps) == 1


def test_a_budget_out_of_reach_is_said_first_with_the_floor_and_the_split(out_of_reach):
    plan = out_of_reach.suite["plan"]
    assert not plan["within_budget"]
    assert sorted(steps(plan)) == [("index", "small"), ("model", "half")]
    assert is_about(plan["result"]["median_bytes"] - plan["now"]["median_bytes"], -110 * MB)
    (large, *_) = plan["remains"]
    assert is_about(large["bytes"], 190 * MB)
    reaching = [split for split in plan["splits"] if split["within_budget"]]
    assert [split["component"] for split in reaching] == ["model"]
    assert steps(reaching[0]) == [("index", "small")]
    assert reaching[0]["own_variant"] == "half"
    summary = fwmemtrace.read(out_of_reach.trace).report("markdown").partition("## Summary\n\n")[2]
    assert summary.startswith("The budget of 100.0 MB is out of reach: the best measured set of 2 changes")
    assert "without `model`, which takes " in summary


def test_imports_of_two_modules_that_only_help_together(tmp_path):
    plan = planned(tmp_path, "two_importers/service.py", "50MB", "--repeat", "1", *FAST).suite["plan"]
    assert plan["within_budget"]
    by_file = {step["subject"].rpartition("/")[2]: step for step in plan["steps"]}
    assert set(by_file) == {"guard.py:3", "sessions.py:3"}
    assert "Move import big_vendor at two_importers/guard.py:3 into Guard.look_up" in by_file["guard.py:3"]["step"]
    assert "Remove from big_vendor import TABLE at" in by_file["sessions.py:3"]["step"]
    assert is_about(plan["now"]["median_bytes"] - plan["result"]["median_bytes"], 80 * MB)


def test_a_variant_that_only_helps_with_an_import_moved_that_the_component_uses(tmp_path):
    arguments = ("--repeat", "1", "--skip", "native,python,deferred,arenas")
    plan = planned(tmp_path, "variant_and_import/variant_service.py", "50MB", *arguments).suite["plan"]
    assert plan["within_budget"]
    by_action = {step["action"]: step for step in plan["steps"]}
    assert set(by_action) == {"move import", "use variant"}
    assert "into Full.check" in by_action["move import"]["step"]
    assert abs(by_action["move import"]["alone_bytes"]) < 3 * MB
    assert is_about(by_action["use variant"]["alone_bytes"], -8 * MB)
    assert is_about(plan["now"]["median_bytes"] - plan["result"]["median_bytes"], 52 * MB)


def test_three_changes_that_only_help_together_and_each_cost_memory_alone(tmp_path):
    arguments = ("--repeat", "1", "--quick")
    plan = planned(tmp_path, "trio.py:components", "100MB", *arguments).suite["plan"]
    assert plan["within_budget"]
    assert sorted(steps(plan)) == [("a", "own"), ("b", "own"), ("c", "own")]
    assert all(is_about(step["alone_bytes"], -4 * MB) for step in plan["steps"])
    assert is_about(plan["now"]["median_bytes"] - plan["result"]["median_bytes"], 68 * MB)


def test_a_budget_is_not_called_kept_without_the_components_that_failed(tmp_path):
    arguments = ("--repeat", "1", "--quick", "--budget", "1GB", "--timeout", "4s")
    done = run_suite(f"{PLANTED / 'trio.py'}:failing", tmp_path / "s.bin", *arguments)
    assert {one["name"]: one["outcome"] for one in done.suite["components"]}["crashes"] == "left"
    text = " ".join(fwmemtrace.read(done.trace).report("text", width=80).split())
    assert "The peak of the service without crashes and hangs, " in text
    assert "2 of 5 components failed: crashes (left), hangs (timed out)." in text


def test_the_plan_saves_what_it_promises_when_it_is_carried_out(tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(PLANTED / "two_importers", copy)
    promised = planned(tmp_path, copy / "service.py", "50MB", "--repeat", "1", *FAST).suite["plan"]
    sessions, guard = copy / "sessions.py", copy / "guard.py"
    sessions.write_text(sessions.read_text().replace("from big_vendor import TABLE", ""))
    moved = (
        guard.read_text()
        .replace("import big_vendor\n", "")
        .replace("        return big", "        import big_vendor\n        return big")
    )
    guard.write_text(moved)
    done = run_suite(copy / "service.py", tmp_path / "after.bin", "--repeat", "1", "--quick", "--budget", "50MB")
    assert done.status == 0, done.errors
    saved = promised["now"]["median_bytes"] - done.suite["service"]["median_bytes"]
    assert saved == pytest.approx(promised["now"]["median_bytes"] - promised["result"]["median_bytes"], rel=0.1)


def test_a_service_within_its_budget_needs_no_plan(tmp_path):
    done = run_suite(PLANTED / "out_of_reach.py", tmp_path / "s.bin", "--budget", "1GB", "--repeat", "1", "--quick")
    assert (done.status, done.suite["plan"]) == (0, None)


@pytest.mark.guard
def test_weights_that_two_components_load_are_shared(tmp_path):
    skipped = ("--skip", "native,python,deferred,arenas")
    done = run_suite(PLANTED / "loaded_twice.py", tmp_path / "s.bin", "--budget", "10MB", "--repeat", "1", *skipped)
    lever = next(lever for lever in done.suite["matrix"] if lever["action"] == "share equal tensors")
    assert (lever["component"], lever["basis"]) == ("the service", "measured")
    assert lever["in_service_bytes"] == pytest.approx(64 * MB, rel=0.1)  # finding them takes some memory too
    assert not done.suite["plan"]["within_budget"]
    assert "torch" in [package["package"] for package in done.suite["plan"]["packages"][:1]]


def test_a_part_of_a_library_is_left_out_where_moving_the_program_s_own_import_saves_nothing(tmp_path):
    plan = planned(tmp_path, "library_part/service.py", "60MB", "--repeat", "1", *FAST).suite["plan"]
    assert plan["within_budget"]
    assert steps(plan) == [("the service", "big_library.plots")]
    assert [fact["names"] for fact in plan["steps"][0]["evidence"]] == [["cleaner", "big_library"]]
    assert is_about(plan["now"]["median_bytes"] - plan["result"]["median_bytes"], 80 * MB)
