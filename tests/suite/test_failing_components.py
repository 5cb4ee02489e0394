"""A component that fails is reported with the reason; the others continue."""

from __future__ import annotations

import pytest

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
