"""Builds the results of a suite from its processes."""

from __future__ import annotations

from collections.abc import Sequence

from ...records import SuiteBegin, SuiteMember
from ...results.suite import Suite, SuiteBudget, SuiteComponent, SuiteSharing
from .evidence import ComponentEvidence, used_modules
from .matrix import decision_matrix
from .profile import component_profile
from .reading import SuiteProcess
from .sharing import imported_packages, share


def build(
    begin: SuiteBegin, members: Sequence[SuiteMember], processes: Sequence[SuiteProcess], budget_bytes: int | None
) -> Suite:
    """Builds all results of a suite.

    Args:
        begin: the settings of the suite.
        members: its components in the order of the service.
        processes: all processes that it started, in their order.
        budget_bytes: a budget for the service; None for the one that the suite was started with, if any.
    """
    own: dict[str, list[SuiteProcess]] = {member.name: [] for member in members}
    for process in processes:
        own.setdefault(process.run.component, []).append(process)
    components = [component_profile(member, own[member.name]) for member in members]
    alone = [_with_imports(own[member.name]) for member in members]
    runs = [process for process in own.get("", []) if process.run.purpose == "together" and process.report is not None]
    together = runs[0] if runs else None
    sharing = share(components, alone, together)
    budget = _budget(budget_bytes or begin.budget_bytes, begin.bare_rss_bytes, components, sharing)
    used = {name: used_modules(its_processes) or frozenset() for name, its_processes in own.items()}
    imported = {
        component.name: frozenset(imported_packages(process))
        for component, process in zip(components, alone, strict=True)
    }
    evidence = [
        ComponentEvidence(
            component,
            own[component.name],
            {name: modules for name, modules in used.items() if name not in (component.name, "")},
            {name: packages for name, packages in imported.items() if name != component.name},
            runs,
        )
        for component in components
    ]
    return Suite(
        file=begin.file,
        repeat=begin.repeat,
        bare_bytes=begin.bare_rss_bytes,
        memory_limit_bytes=begin.memory_limit_bytes,
        limited_by=begin.limited_by,
        components=components,
        sharing=sharing,
        matrix=decision_matrix(evidence, budget.need_bytes if budget is not None else 0),
        budget=budget,
    )


def _with_imports(processes: Sequence[SuiteProcess]) -> SuiteProcess | None:
    light = [process for process in processes if process.run.purpose == "resident" and process.report is not None]
    return light[-1] if light else None


def _budget(
    limit: int, bare: int, components: Sequence[SuiteComponent], sharing: SuiteSharing | None
) -> SuiteBudget | None:
    """Compares the peak of the service, a bare interpreter included, with the budget."""
    if not limit:
        return None
    if sharing is not None:
        peak = sharing.together_peak_bytes
    else:
        peak = max((component.peak.median_bytes for component in components if component.peak), default=0)
    return SuiteBudget(limit_bytes=limit, peak_bytes=bare + peak, need_bytes=max(0, bare + peak - limit))
