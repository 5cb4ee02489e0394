"""What `gc.freeze()` saves in forked workers."""

from __future__ import annotations

import sys

import pytest

from .conftest import PLANTED, run_suite

MB = 1_000_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads private pages from /proc"),
]


def test_frozen_objects_are_not_copied_by_a_worker_s_collection(tmp_path):
    arguments = ("--repeat", "1", "--quick", "--workers", "4")
    done = run_suite(PLANTED / "forked.py", tmp_path / "s.bin", *arguments)
    assert done.status == 0, done.errors
    levers = {one["component"]: one for one in done.suite["matrix"] if one["action"] == "freeze objects"}
    assert "fails" not in levers
    lever = levers["objects"]
    (fact,) = lever["evidence"]
    copied, frozen = fact["bytes"]
    assert fact["counts"] == [4]
    assert lever["saves_low_bytes"] == copied - frozen > 20 * MB
    assert levers.get("block", lever)["saves_low_bytes"] <= lever["saves_low_bytes"]
