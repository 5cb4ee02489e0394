"""Levers from the trials of models: other ways to run one that give nearly the same outputs in less memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...results.suite import SuiteLever, SuiteModel, SuiteModelWay
from .evidence import ComponentEvidence, fact, lever_if_worthwhile
from .stages import INIT

_LEAST_COSINE = 0.99  # of outputs: a way that agrees less is shown with the models, and is no lever
_WITHOUT_TORCH = "ONNX Runtime"


def model_levers(one: ComponentEvidence, models: Sequence[SuiteModel]) -> Iterator[SuiteLever]:
    """Yields the ways to run the models of one component that save memory, as measured with each model alone."""
    for model in models:
        as_it_is = model.ways[0] if model.ways and not model.ways[0].problem else None
        if model.component != one.component.name or as_it_is is None:
            continue
        for way in model.ways[1:]:
            if not way.problem and way.cosine >= _LEAST_COSINE:
                yield from _lever(one, model, as_it_is, way)


def _lever(
    one: ComponentEvidence, model: SuiteModel, as_it_is: SuiteModelWay, way: SuiteModelWay
) -> Iterator[SuiteLever]:
    figures = [f"{way.largest_difference:.3g}", f"{way.cosine:.4g}"]
    facts = [
        fact("model alone", as_it_is.held_bytes, way.held_bytes, names=[model.name]),
        fact("outputs agree", names=figures, counts=[model.calls]),
        fact("call time", counts=[as_it_is.call_ns, way.call_ns]),
    ]
    with_torch = [name for name, packages in one.imported_by_others.items() if "torch" in packages]
    needs_alone = way.way.startswith(_WITHOUT_TORCH) and bool(with_torch)
    if needs_alone:
        facts.append(fact("imported elsewhere", names=with_torch))
    saves = as_it_is.held_bytes - way.held_bytes
    yield from lever_if_worthwhile(
        one,
        "run model",
        f"{model.name}: {way.way}",
        low=saves,
        high=saves,
        basis="measured",
        phase=INIT,
        evidence=facts,
        in_service=0 if needs_alone else None,
    )
