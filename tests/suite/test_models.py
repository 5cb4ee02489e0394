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
