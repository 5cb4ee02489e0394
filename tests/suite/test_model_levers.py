"""Ways to run a model as levers: only those that save memory and agree, and no promise for what others need."""

from __future__ import annotations

from fwmemtrace.analysis.suite.evidence import ComponentEvidence
from fwmemtrace.analysis.suite.model_levers import model_levers
from fwmemtrace.results.suite import Spread, SuiteComponent, SuiteModel, SuiteModelWay

MB = 1_000_000


def way(name, held, cosine=1.0, problem=""):
    return SuiteModelWay(
        way=name,
        problem=problem,
        held_bytes=held * MB,
        peak_bytes=held * MB,
        call_ns=1000,
        largest_difference=0.0,
        cosine=cosine,
    )


def levers(*ways, others=()):
    held = Spread(median_bytes=500 * MB, low_bytes=500 * MB, high_bytes=500 * MB, runs=1)
    component = SuiteComponent(name="guard", outcome="ok", held=held)
    model = SuiteModel(
        component="guard",
        name="Bert",
        parameters=1,
        bytes=1,
        dtype="float32",
        calls=2,
        ways=[way("as it is", 400), *ways],
    )
    evidence = ComponentEvidence(component, [], {}, {name: frozenset({"torch"}) for name in others})
    return {lever.subject: lever for lever in model_levers(evidence, [model], 0.99)}


def test_a_way_that_agrees_and_saves_is_a_lever():
    found = levers(way("float16 file", 300), way("int8 dynamic", 200, cosine=0.9), way("bfloat16 file", 400))
    assert set(found) == {"Bert: float16 file"}
    assert found["Bert: float16 file"].saves_low_bytes == 100 * MB


def test_a_way_that_failed_is_none():
    assert levers(way("ONNX Runtime", 0, problem="no operator")) == {}


def test_leaving_torch_out_of_one_component_saves_nothing_where_another_imports_it():
    assert levers(way("ONNX Runtime", 100))["Bert: ONNX Runtime"].in_service_bytes is None
    assert levers(way("ONNX Runtime", 100), others=["other"])["Bert: ONNX Runtime"].in_service_bytes == 0
