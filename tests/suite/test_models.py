"""Models tried by themselves: each way with its memory, its agreement, or why it does not work."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

import fwmemtrace

from .conftest import PLANTED, run_suite

pytestmark = pytest.mark.guard


@pytest.mark.skipif(not (find_spec("onnx") and find_spec("onnxruntime")), reason="needs the extra onnx")
def test_every_way_is_measured_or_says_why_not(tmp_path):
    done = run_suite(PLANTED / "models.py", tmp_path / "s.bin", "--repeat", "1", "--quick", "--try-models")
    assert done.status == 0, done.errors
    models = {model["name"]: model for model in done.suite["models"]}
    assert set(models) == {"Small", "Branching"}
    ways = {way["way"]: way for way in models["Small"]["ways"]}
    assert models["Small"]["bytes"] == 4 * (1024 * 2048 + 2048 + 2048 * 64 + 64)
    assert {name: way["problem"] for name, way in ways.items() if way["problem"]} == {}
    assert ways["as it is"]["largest_difference"] < 1e-5
    assert ways["ONNX Runtime"]["largest_difference"] < 1e-4
    for name in ("float16 file", "bfloat16 file", "int8 dynamic", "ONNX Runtime int8"):
        assert 0 < ways[name]["largest_difference"] < 1
        assert ways[name]["cosine"] > 0.99
    assert ways["ONNX Runtime"]["held_bytes"] < 0.7 * ways["as it is"]["held_bytes"]  # torch is not there
    assert all(way["call_ns"] > 0 for way in ways.values())
    problems = {way["way"]: way["problem"] for way in models["Branching"]["ways"]}
    assert problems["as it is"] == ""
    assert "linalg_matrix_exp" in problems["ONNX Runtime"]
    text = fwmemtrace.read(tmp_path / "s.bin").report("text", width=80)
    assert "\nModels\n" in text
    assert "cosine" in text


def test_the_plan_tries_ways_to_run_a_model_in_the_whole_service(tmp_path):
    pytest.importorskip("onnx")
    arguments = ("--quick", "--repeat", "1", "--try-models", "--budget", "20MB", "--timeout", "5m")
    done = run_suite(PLANTED / "one_model.py", tmp_path / "s.bin", *arguments)
    assert done.status == 1, done.errors
    plan = done.suite["plan"]
    (step,) = plan["steps"]
    assert (step["component"], step["action"]) == ("guard", "run model")
    assert step["subject"].startswith("Wide: ONNX Runtime")
    kinds = [fact["kind"] for fact in step["evidence"]]
    assert kinds == ["outputs agree", "call time", "stands in"]
    assert "torch" not in [package["package"] for package in plan["packages"]]
    in_torch = [one for one in done.levers("guard") if one["subject"] in ("Wide: float16 file", "Wide: int8 dynamic")]
    measured = [one["in_service_bytes"] for one in in_torch if one["in_service_bytes"] is not None]
    assert max(measured) > 25_000_000  # of 67 MB


def test_a_way_that_does_not_agree_enough_is_no_part_of_a_plan(tmp_path):
    arguments = ("--quick", "--repeat", "1", "--try-models", "--budget", "20MB", "--min-agreement", "1")
    done = run_suite(PLANTED / "one_model.py", tmp_path / "s.bin", *arguments)
    plan = done.suite["plan"]
    assert not any("int8" in step["subject"] for step in (plan or {"steps": []})["steps"])
    assert not any("int8" in lever["subject"] for lever in done.suite["matrix"])
