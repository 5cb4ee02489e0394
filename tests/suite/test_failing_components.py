"""A component that fails is reported with the reason; the others continue."""

from __future__ import annotations

import pytest

import fwmemtrace

from .conftest import PLANTED, run_suite

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "outcome", "phase", "message"),
    [
        ("raises", "raised", "first request", "ValueError: no way"),
        ("hangs", "timed out", "first request", "still running after 10 s, then killed"),
        ("is killed", "killed", "first request", "SIGKILL"),
        ("leaves", "left", "first request", "sys.exit(3)"),
        ("leaves at once", "left", "first request", "status 4"),
        ("needs too much", "out of memory", "init", ""),
        ("has no init", "raised", "", "the component 'has no init' has no init() function"),
        ("component", "raised", "", "no_such_module"),
    ],
)
def test_the_reason_is_reported(failures, name, outcome, phase, message):
    component = failures.component(name)
    assert component["outcome"] == outcome
    assert component["failures"][0]["phase"] == phase
    assert message in component["failures"][0]["message"]
    assert failures.levers(name) == []


def test_the_others_continue(failures):
    for name in ("first", "last"):
        assert failures.component(name)["outcome"] == "ok"
        assert failures.component(name)["held"] is not None


def test_a_failing_variant_leaves_its_component_ok(failures):
    component = failures.component("last")
    assert [found["variant"] for found in component["failures"]] == ["broken"]
    assert component["variants"][0]["held"] is None


def test_the_kind_of_memory_limit_is_reported(failures):
    assert failures.suite["memory_limit_bytes"] == 2_000_000_000
    ends = {"cgroup": "the kernel killed it at its control group's limit", "RLIMIT_AS": "MemoryError"}
    message = failures.component("needs too much")["failures"][0]["message"]
    assert message.startswith(ends[failures.suite["limited_by"]])


def test_a_component_that_fails_only_beside_another_makes_no_promise(tmp_path):
    arguments = ("--repeat", "1", "--quick", "--budget", "1GB")
    done = run_suite(f"{PLANTED / 'failures.py'}:beside", tmp_path / "s.bin", *arguments)
    assert {one["outcome"] for one in done.suite["components"]} == {"ok"}
    assert done.suite["service"] is None
    (failure,) = done.suite["failures"]
    assert "two/init: RuntimeError: the port is taken" in failure["message"]
    assert {part["name"]: part["failed"] for part in done.suite["sharing"]["order"]} == {"one": False, "two": True}
    text = " ".join(fwmemtrace.read(done.trace).report("text", width=80).split())
    assert "With all components in one process, two failed; it holds " in text
    assert "is within the budget of 1.00 GB; all components in one process failed." in text
    assert "the service, all components in one process: raised an exception" in text
    assert "is shared" not in text
