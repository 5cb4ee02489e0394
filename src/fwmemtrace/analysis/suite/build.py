"""Builds the results of a suite from its processes."""

from __future__ import annotations

from collections.abc import Sequence

from ...records import SuiteBegin, SuiteChange, SuiteEnd, SuiteForks, SuiteMember, SuiteModel, SuiteMove
from ...results import suite as results
from ...results.suite import Spread, Suite, SuiteBudget, SuiteComponent
from .evidence import ComponentEvidence, used_modules
from .figures import workers_bytes
from .matrix import decision_matrix
from .packages import imported_packages
from .plan import Measure, make_plan, service_runs
from .profile import component_profile, failure_of
from .reading import SuiteProcess, shares_nothing
from .sharing import share


def build(
    begin: SuiteBegin,
    members: Sequence[SuiteMember],
    processes: Sequence[SuiteProcess],
    budget_bytes: int | None,
    moves: Sequence[SuiteMove] = (),
    models: Sequence[SuiteModel] = (),
    forks: Sequence[SuiteForks] = (),
    end: SuiteEnd | None = None,
) -> Suite:
    """Builds all results of a suite.

    Args:
        begin: the settings of the suite.
        members: its components in the order of the service.
        processes: all processes that it started, in their order.
        budget_bytes: a budget for the service; None for the one that the suite was started with, if any.
        moves: the import statements of the program that it looked at.
        models: the models that it tried.
        forks: what forked workers copy.
        end: how it ended; None if it was killed.
    """
    own: dict[str, list[SuiteProcess]] = {member.name: [] for member in members}
    for process in processes:
        own.setdefault(process.run.component, []).append(process)
    components = [component_profile(member, own[member.name]) for member in members]
    alone = [_with_imports(own[member.name]) for member in members]
    runs = [
        process
        for process in own.get("", [])
        if process.run.purpose == "together" and process.report is not None and not process.changes
    ]
    sharing = share(components, alone, runs)
    measure: Measure = "unevictable" if begin.measure == "unevictable" else "rss"
    service = service_runs(processes, begin.bare_rss_bytes, measure)
    now = service.spread("", frozenset())
    budget = _budget(budget_bytes or begin.budget_bytes, begin.bare_rss_bytes, components, now, measure)
    if budget is not None:
        budget.worker_bytes = max(map(workers_bytes, runs), default=0)
    by_place = {f"{move.file}:{move.line}": move for move in moves}
    changed = _changed(processes)
    tried = list(map(_model, models))
    used = {name: used_modules(its_processes) or frozenset() for name, its_processes in own.items()}
    imported = {
        component.name: frozenset(row.package for row in imported_packages(process) or ())
        for component, process in zip(components, alone, strict=True)
    }
    evidence = [
        ComponentEvidence(
            component,
            own[component.name],
            {name: modules for name, modules in used.items() if name not in (component.name, "")},
            {name: packages for name, packages in imported.items() if name != component.name},
            runs,
            changed,
            begin.file,
            measure,
            by_place,
            next((one for one in forks if one.component == component.name), None),
        )
        for component in components
    ]
    left_out = unfinished(begin, end, processes)
    plan = make_plan(service, budget, components, by_place, tried, begin.least_agreement)
    if plan is not None and left_out is not None:
        plan.searched = "plan" not in left_out.missing
    return Suite(
        file=begin.file,
        unfinished=left_out,
        repeat=begin.repeat,
        bare_bytes=begin.bare_rss_bytes,
        memory_limit_bytes=begin.memory_limit_bytes,
        limited_by=begin.limited_by,
        components=components,
        sharing=sharing,
        matrix=decision_matrix(evidence, budget.need_bytes if budget is not None else 0, tried, begin.least_agreement),
        service=now,
        budget=budget,
        failures=[
            failure_of(process)
            for process in own.get("", [])
            if process.run.purpose == "together" and process.run.outcome != "ok" and not process.changes
        ],
        models=tried,
        plan=plan,
    )


def unfinished(
    begin: SuiteBegin, end: SuiteEnd | None, processes: Sequence[SuiteProcess]
) -> results.SuiteUnfinished | None:
    """Returns what a suite has left out that did not run to its end; None if it did, or is from an older version."""
    if end is not None:
        stopped_by, missing = end.stopped_by, end.missing
        if not stopped_by:
            return None
    elif begin.purposes:
        ran = [begin.purposes.index(one.run.purpose) for one in processes if one.run.purpose in begin.purposes]
        stopped_by, missing = "", begin.purposes[max(ran, default=0) :]
    else:
        return None
    return results.SuiteUnfinished(stopped_by=stopped_by, processes=len(processes), missing=missing)


def _model(tried: SuiteModel) -> results.SuiteModel:
    return results.SuiteModel(
        component=tried.component,
        name=tried.name,
        parameters=tried.parameters,
        bytes=tried.bytes,
        dtype=tried.dtype,
        calls=tried.calls,
        ways=[
            results.SuiteModelWay(**{name: getattr(way, name) for name in results.SuiteModelWay.__struct_fields__})
            for way in tried.ways
        ],
    )


def _changed(processes: Sequence[SuiteProcess]) -> dict[SuiteChange, list[SuiteProcess]]:
    """Returns the runs of the whole service with one change, by that change."""
    changed: dict[SuiteChange, list[SuiteProcess]] = {}
    for process in processes:
        run = process.run
        if run.purpose not in ("together", "plan") or run.outcome != "ok" or shares_nothing(process):
            continue
        if len(process.changes) == 1:
            changed.setdefault(process.changes[0], []).append(process)
    return changed


def _with_imports(processes: Sequence[SuiteProcess]) -> SuiteProcess | None:
    light = [process for process in processes if process.run.purpose == "resident" and process.report is not None]
    return light[-1] if light else None


def _budget(
    limit: int, bare: int, components: Sequence[SuiteComponent], service: Spread | None, measure: Measure
) -> SuiteBudget | None:
    """Compares the peak of the service, a bare interpreter included, with the budget."""
    if not limit:
        return None
    if service is not None:
        peak = service.median_bytes
    else:
        peak = bare + max((component.peak.median_bytes for component in components if component.peak), default=0)
    return SuiteBudget(limit_bytes=limit, peak_bytes=peak, need_bytes=max(0, peak - limit), measure=measure)
