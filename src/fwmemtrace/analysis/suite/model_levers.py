"""Levers from the trials of models: other ways to run one that give nearly the same outputs in less memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from ...records import SuiteChange
from ...results.suite import SuiteFact, SuiteLever, SuiteModel, SuiteModelWay
from .evidence import WORTH_A_ROW, ComponentEvidence, fact, lever_if_worthwhile
from .stages import INIT

_WITHOUT_TORCH = "ONNX Runtime"


class _Way(Protocol):
    """What the record of a way and its result have in common."""

    @property
    def way(self) -> str: ...
    @property
    def problem(self) -> str: ...
    @property
    def held_bytes(self) -> int: ...
    @property
    def call_ns(self) -> int: ...
    @property
    def largest_difference(self) -> float: ...
    @property
    def cosine(self) -> float: ...


class _Model(Protocol):
    @property
    def component(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def calls(self) -> int: ...
    @property
    def ways(self) -> Sequence[_Way]: ...


def model_change(model: _Model, way: _Way) -> SuiteChange:
    """Returns the change of the service that a way to run a model is."""
    return SuiteChange("model", model.component, f"{model.name}: {way.way}")


def worth_planning(models: Sequence[_Model], least_agreement: float) -> dict[SuiteChange, int]:
    """Returns the ways that the plan tries, with what each saves with the model alone.

    Of the ways that keep torch, and of those that do not, each model has the one that holds least.

    Args:
        models: the models that were tried.
        least_agreement: the cosine similarity of outputs that a way needs.
    """
    found = {}
    for model in models:
        if not model.ways or model.ways[0].problem:
            continue
        held = model.ways[0].held_bytes
        sound = [
            way
            for way in model.ways[1:]
            if not way.problem and way.cosine >= least_agreement and held - way.held_bytes >= WORTH_A_ROW
        ]
        alone = sum(other.component == model.component for other in models) == 1
        for without_torch in (False, True) if alone else (False,):  # another model would still need torch
            ways = [way for way in sound if way.way.startswith(_WITHOUT_TORCH) is without_torch]
            if ways:
                best = min(ways, key=lambda way: way.held_bytes)
                found[model_change(model, best)] = held - best.held_bytes
    return found


def model_facts(model: _Model, way: _Way) -> list[SuiteFact]:
    """Returns what a way does to the outputs and the time of the model."""
    figures = [f"{way.largest_difference:.3g}", f"{way.cosine:.4g}"]
    facts = [
        fact("outputs agree", names=figures, counts=[model.calls]),
        fact("call time", counts=[model.ways[0].call_ns, way.call_ns]),
    ]
    if way.way.startswith(_WITHOUT_TORCH):
        facts.append(fact("stands in"))
    return facts


def model_levers(one: ComponentEvidence, models: Sequence[SuiteModel], least_agreement: float) -> Iterator[SuiteLever]:
    """Yields the ways to run the models of one component that save memory, as measured with each model alone.

    Args:
        one: the component.
        models: the models that were tried.
        least_agreement: the cosine similarity of outputs that a way needs; others are shown with the models alone.
    """
    only_model = sum(model.component == one.component.name for model in models) == 1
    for model in models:
        as_it_is = model.ways[0] if model.ways and not model.ways[0].problem else None
        if model.component != one.component.name or as_it_is is None:
            continue
        for way in model.ways[1:]:
            without_torch = way.way.startswith(_WITHOUT_TORCH)
            if not way.problem and way.cosine >= least_agreement and (only_model or not without_torch):
                yield from _lever(one, model, as_it_is, way)


def _lever(
    one: ComponentEvidence, model: SuiteModel, as_it_is: SuiteModelWay, way: SuiteModelWay
) -> Iterator[SuiteLever]:
    facts = [
        *model_facts(model, way),
        fact("model alone", as_it_is.held_bytes, way.held_bytes, names=[model.name]),
    ]
    with_torch = [name for name, packages in one.imported_by_others.items() if "torch" in packages]
    needs_alone = way.way.startswith(_WITHOUT_TORCH) and bool(with_torch)
    if needs_alone:
        facts.append(fact("imported elsewhere", names=with_torch))
    in_service, in_service_peak = one.in_service(model_change(model, way))
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
        in_service=0 if needs_alone and in_service is None else in_service,
        in_service_peak=in_service_peak,
    )
