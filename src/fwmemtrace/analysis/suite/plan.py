"""The plan, from the runs of the service with sets of changes: the best set, its order, what remains, and splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

from ...records import SuiteChange, SuiteMove
from ...results.suite import (
    Spread,
    SuiteBudget,
    SuiteComponent,
    SuiteFact,
    SuiteHolder,
    SuiteModel,
    SuitePackage,
    SuitePair,
    SuitePart,
    SuitePlan,
    SuiteSplit,
    SuiteStep,
)
from .agreement import agreement_facts
from .change_facts import action_of, component_of, edit_facts, import_facts, twin_facts
from .evidence import WORTH_A_ROW, width
from .figures import added_bytes, outermost_ledgers, service_figure
from .model_levers import model_change, model_facts
from .packages import imported_packages
from .plan_growth import still_growing
from .reading import SuiteProcess
from .spreads import spread
from .stages import imported_by_program

ChangeSet = frozenset[SuiteChange]
Measure = Literal["rss", "unevictable"]

_ROWS = 12
_PAIRS = 3
_CLEARLY_MORE = 0.1  # of what a pair saves: less is lost among the differences between runs


@dataclass
class ServiceRuns:
    """The runs of the service that succeeded, by the component left out of it and by the changes made.

    Attributes:
        bare: RSS of a bare interpreter, which every figure includes.
        measure: what is compared.
        figures: the bytes of each run.
        processes: one process of each, the last.
    """

    bare: int
    measure: Measure
    figures: dict[tuple[str, ChangeSet], list[int]] = field(default_factory=lambda: defaultdict(list))
    processes: dict[tuple[str, ChangeSet], SuiteProcess] = field(default_factory=dict)

    def add(self, process: SuiteProcess) -> None:
        """Takes a run of the service."""
        figure = service_figure(process, self.measure)
        if process.run.outcome != "ok" or figure is None:
            return
        without = next((change.component for change in process.changes if change.kind == "split"), "")
        key = without, frozenset(change for change in process.changes if change.kind != "split")
        self.figures[key].append(self.bare + figure)
        self.processes[key] = process

    def spread(self, without: str, changes: ChangeSet) -> Spread | None:
        """Returns the figure of a set of changes over its runs."""
        return spread(self.figures.get((without, changes), ()))

    def other_figure(self, changes: ChangeSet, measure: Measure) -> int | None:
        """Returns the figure of the last run of a set of changes by another measure."""
        figure = service_figure(self.processes["", changes], measure)
        return None if figure is None else self.bare + figure

    def sets(self, without: str) -> dict[ChangeSet, Spread]:
        """Returns the figures of all sets of changes of the service without one of its components."""
        return {
            changes: figure
            for (left_out, changes) in self.figures
            if left_out == without and (figure := self.spread(without, changes)) is not None
        }

    def best(self, without: str, limit: int, noise: int) -> ChangeSet | None:
        """Returns the smallest set within the limit; without one, the smallest of those that come closest to it."""
        sets = self.sets(without)
        within = [changes for changes, figure in sets.items() if figure.high_bytes <= limit]
        if not within and sets:
            lowest = min(figure.median_bytes for figure in sets.values())
            within = [changes for changes, figure in sets.items() if figure.median_bytes <= lowest + noise]
        # Of sets of one size the one that was confirmed by further runs comes first.
        return min(
            within,
            key=lambda one: (len(one), -sets[one].runs, sets[one].median_bytes, sorted(map(str, one))),
            default=None,
        )


def make_plan(
    runs: ServiceRuns,
    budget: SuiteBudget | None,
    components: Sequence[SuiteComponent],
    moves: Mapping[str, SuiteMove],
    models: Sequence[SuiteModel] = (),
    least_agreement: float = 0.99,
) -> SuitePlan | None:
    """Returns the plan; None if there is nothing to plan for, or no run with a change.

    Args:
        runs: the runs of the service.
        budget: what it may use.
        components: the profiles of the components.
        moves: import statements that trials moved, by "file:line".
        models: the models that were tried.
        least_agreement: the cosine similarity of outputs that another way to run one needs.
    """
    now = runs.spread("", frozenset())
    if budget is None or not budget.need_bytes or now is None or len(runs.figures) < 2:
        return None
    noise = max(WORTH_A_ROW, width(now))
    best = runs.best("", budget.limit_bytes, noise)
    if best is None:
        return None
    result = runs.spread("", best)
    assert result is not None
    other: Measure = "unevictable" if runs.measure == "rss" else "rss"
    within = result.high_bytes <= budget.limit_bytes
    failed = [component.name for component in components if component.outcome != "ok"]
    agreements = {
        (component.name, variant.name): agreement_facts(variant.agreement)
        for component in components
        for variant in component.variants
    }
    agreements |= {
        (model.component, model_change(model, way).subject): model_facts(model, way)
        for model in models
        for way in model.ways[1:]
    }
    agreements |= {
        (component_of(change), change.subject): twin_facts(runs.processes["", best].own.arrays)
        for change in best
        if change.kind == "share"
    }
    growing = still_growing(components, runs.processes["", best])
    by_itself = {component.name: _alone(runs.bare, component, models, least_agreement) for component in components}
    return SuitePlan(
        measure=runs.measure,
        limit_bytes=budget.limit_bytes,
        within_budget=within and not failed and not growing,
        now=now,
        result=result,
        now_other_bytes=runs.other_figure(frozenset(), other),
        result_other_bytes=runs.other_figure(best, other),
        steps=_with_agreement(_steps(runs, "", best, moves), agreements),
        remains=_remains(runs.processes["", best]),
        packages=_packages(runs.processes["", best]),
        pairs=_pairs(runs, noise, moves),
        splits=[] if within else _splits(runs, budget.limit_bytes, noise, by_itself, moves, agreements),
        sets_measured=len(runs.figures),
        growing=growing,
        failed=failed,
        parts=_parts(runs.processes["", best], components),
    )


def _steps(runs: ServiceRuns, without: str, chosen: ChangeSet, moves: Mapping[str, SuiteMove]) -> Iterator[SuiteStep]:
    """Yields the changes; each time the one with which the service needs least comes next."""
    sets, done = runs.sets(without), frozenset[SuiteChange]()
    while done != chosen:
        known = [change for change in chosen - done if done | {change} in sets]
        following = min(
            known or chosen - done,
            key=lambda change: (sets[done | {change}].median_bytes if known else 0, str(change)),
        )
        done = done | {following}
        after = sets.get(done)
        yield _step(runs, without, following, moves, None if after is None else after.median_bytes)


def _step(
    runs: ServiceRuns, without: str, change: SuiteChange, moves: Mapping[str, SuiteMove], after: int | None
) -> SuiteStep:
    before, alone = runs.spread(without, frozenset()), runs.spread(without, frozenset((change,)))
    return SuiteStep(
        component=component_of(change),
        action=action_of(change),
        subject=change.subject,
        step="",
        alone_bytes=None if before is None or alone is None else before.median_bytes - alone.median_bytes,
        after_bytes=after,
        evidence=[*edit_facts(change, moves), *import_facts(change, runs.processes.get((without, frozenset())))],
    )


def _with_agreement(
    steps: Iterable[SuiteStep], agreements: Mapping[tuple[str, str], list[SuiteFact]]
) -> list[SuiteStep]:
    """Returns the steps, each variant with what it does to the answers."""
    found = list(steps)
    for step in found:
        step.evidence += agreements.get((step.component, step.subject), [])
    return found


def _pairs(runs: ServiceRuns, noise: int, moves: Mapping[str, SuiteMove]) -> list[SuitePair]:
    sets = runs.sets("")
    base = sets[frozenset()].median_bytes
    alone = {next(iter(one)): base - figure.median_bytes for one, figure in sets.items() if len(one) == 1}
    pairs = []
    for first, second in combinations(sorted(alone, key=str), 2):
        both = sets.get(frozenset((first, second)))
        if both is None:
            continue
        together, apart = base - both.median_bytes, alone[first] + alone[second]
        # Of a pair, one may cost memory: what matters is that both save more than the better of them does.
        if together > max(apart, alone[first], alone[second]) + max(2 * noise, _CLEARLY_MORE * together):
            steps = [_step(runs, "", change, moves, None) for change in (first, second)]
            pairs.append(SuitePair(steps=steps, together_bytes=together, apart_bytes=apart))
    return sorted(pairs, key=lambda pair: -pair.together_bytes)[:_PAIRS]


def _splits(
    runs: ServiceRuns,
    limit: int,
    noise: int,
    by_itself: Mapping[str, tuple[int | None, str]],
    moves: Mapping[str, SuiteMove],
    agreements: Mapping[tuple[str, str], list[SuiteFact]],
) -> list[SuiteSplit]:
    splits = []
    for component, (own, variant) in by_itself.items():
        best = runs.best(component, limit, noise)
        service = None if best is None else runs.spread(component, best)
        if best is None or service is None:
            continue
        splits.append(
            SuiteSplit(
                component=component,
                service=service,
                within_budget=service.high_bytes <= limit,
                own_bytes=own,
                own_variant=variant,
                steps=_with_agreement(_steps(runs, component, best, moves), agreements),
            )
        )
    return sorted(splits, key=lambda split: split.service.median_bytes)


def _alone(
    bare: int, component: SuiteComponent, models: Sequence[SuiteModel], least_agreement: float
) -> tuple[int | None, str]:
    """Returns the peak RSS of a component in a process of its own, with what needs least: a variant, or its model."""
    peaks = [(component.peak, ""), *((variant.peak, variant.name) for variant in component.variants if variant.held)]
    known = [(bare + peak.median_bytes, name) for peak, name in peaks if peak is not None]
    own = [model for model in models if model.component == component.name]
    if len(own) == 1:  # a component with several models needs the others, too
        known += [
            (bare + way.peak_bytes, f"{own[0].name}: {way.way}")
            for way in own[0].ways[1:]
            if not way.problem and way.cosine >= least_agreement
        ]
    return min(known, default=(None, ""))


def _remains(process: SuiteProcess) -> list[SuiteHolder]:
    """Returns what a process holds in the end, by owner, and with it the processes that it started."""
    sizes: dict[tuple[str, str], int] = defaultdict(int)
    for row in outermost_ledgers(process):
        for item in row.items:
            sizes[item.category, item.owner] += item.bytes
    for workers in process.own.workers:
        sizes["worker processes", workers.component] += workers.private_bytes
    rows = [SuiteHolder(category=category, owner=owner, bytes=size) for (category, owner), size in sizes.items()]
    return sorted((row for row in rows if row.bytes >= WORTH_A_ROW), key=lambda row: -row.bytes)[:_ROWS]


def _parts(process: SuiteProcess, components: Sequence[SuiteComponent]) -> list[SuitePart]:
    added = added_bytes(process, [component.name for component in components])
    return [SuitePart(component=name, bytes=size) for name, size in added.items()]


def _packages(process: SuiteProcess) -> list[SuitePackage]:
    packages = imported_packages(process, imported_by_program) or []
    return [package for package in packages if package.bytes >= WORTH_A_ROW][:_ROWS]


def service_runs(processes: Iterable[SuiteProcess], bare: int, measure: Measure) -> ServiceRuns:
    """Returns the runs of the service among all processes of a suite."""
    runs = ServiceRuns(bare, measure)
    for process in processes:
        if process.run.purpose in ("together", "plan"):
            runs.add(process)
    return runs
