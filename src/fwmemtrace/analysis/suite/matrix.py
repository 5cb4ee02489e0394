"""The decision matrix: levers, what each saves, and how that is known.

It lists nothing without a figure from this suite, and nothing that saves less than the runs differ.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...results.suite import Suite, SuiteLever, SuiteModel
from .evidence import WORTH_A_ROW, ComponentEvidence
from .import_levers import import_levers, service_import_levers
from .memory_levers import memory_levers
from .model_levers import model_levers
from .statements import packages_named
from .trial_levers import service_levers, trial_levers
from .variant_levers import variant_levers


def decision_matrix(
    evidence: Sequence[ComponentEvidence],
    need_bytes: int = 0,
    models: Sequence[SuiteModel] = (),
    least_agreement: float = 0.99,
) -> list[SuiteLever]:
    """Returns all levers, the one that helps most first.

    Args:
        evidence: what is known about each component.
        need_bytes: by how much the service exceeds its budget; 0 if it does not, or has none.
        models: the models that were tried.
        least_agreement: the cosine similarity of outputs that another way to run one needs.
    """
    levers = [
        lever
        for one in evidence
        if one.component.held is not None
        for lever in (
            *import_levers(one),
            *trial_levers(one),
            *memory_levers(one),
            *variant_levers(one),
            *model_levers(one, models, least_agreement),
        )
    ]
    levers += service_import_levers(levers, evidence)
    levers += service_levers(evidence)
    levers = _without_doubles(levers)

    def value(lever: SuiteLever) -> tuple[bool, int, int]:
        # Saving more than needed is no better than saving enough; of two that are enough the surer comes first.
        saved = service_saving(lever, need_bytes)
        return (lever.applicable, min(saved, need_bytes) if need_bytes else saved, lever.saves_low_bytes)

    return sorted(levers, key=value, reverse=True)


def advised(suite: Suite) -> list[SuiteLever]:
    """Returns the levers to recommend, the one that helps most first: those that can be applied and save memory."""
    need = suite.budget.need_bytes if suite.budget is not None else 0
    return [lever for lever in suite.matrix if lever.applicable and service_saving(lever, need) >= WORTH_A_ROW]


def _without_doubles(levers: Sequence[SuiteLever]) -> list[SuiteLever]:
    """Leaves out unused imports that a measured edit of the program's own code already removes."""
    edits = {
        (lever.component, module): lever
        for lever in levers
        if lever.action == "move import"
        for fact in lever.evidence
        if fact.kind == "own line"
        for module in packages_named(fact.names[1])
    }
    return [
        lever
        for lever in levers
        if lever.action != "remove import"
        or (edit := edits.get((lever.component, lever.subject.partition(".")[0]))) is None
        or edit.saves_high_bytes < lever.saves_low_bytes // 2
    ]


def service_saving(lever: SuiteLever, need_bytes: int) -> int:
    """Returns what a lever saves of the service in bytes: as measured there, or else the middle of its range.

    A budget applies to the peak: if it is exceeded, a lever saves no more than it lowers the peak.
    """
    if need_bytes and lever.action == "freeze objects":
        return 0  # it is about workers, not about the process that the budget limits
    saved = lever.in_service_bytes
    if saved is None and any(fact.kind == "service spread" for fact in lever.evidence):
        saved = 0  # measured, and lost among the differences between runs
    if saved is None:
        saved = (lever.saves_low_bytes + lever.saves_high_bytes) // 2
    if need_bytes and lever.in_service_peak_bytes is not None:
        saved = min(saved, lever.in_service_peak_bytes)
    return saved
