"""The profile of a component, from all of its processes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median_low

from ...records import SuiteAnswers, SuiteMember
from ...results.suite import (
    Spread,
    SuiteArrayTotals,
    SuiteComponent,
    SuiteDisturbance,
    SuiteFailure,
    SuiteHolder,
    SuitePackage,
    SuitePhase,
    SuiteVariant,
)
from .agreement import agreement
from .batch_growth import batch_growth
from .figures import ledger_of, peak, resident, retained, row_of, start_of, wall_of
from .packages import imported_packages
from .reading import SuiteProcess
from .sites import allocation_sites
from .spreads import middle, saving, spread
from .stages import AFTER_GC, AFTER_TRIM, AGAIN, BATCH, STAGES

_TRIALS = ("deferred", "arenas", "trial", "forks")  # a failure in one of these is not the component's
_PACKAGES = 12
NOT_RUN = "not run"


def component_profile(member: SuiteMember, processes: Sequence[SuiteProcess]) -> SuiteComponent:
    """Builds the profile of one component.

    Args:
        member: the component as the suite declares it.
        processes: the processes started for it alone, in their order.
    """
    profile = SuiteComponent(name=member.name, outcome="ok", requests=member.batch)
    if member.problem:
        profile.outcome = "raised"
        profile.failures = [
            SuiteFailure(purpose="reading", variant="", outcome="raised", phase="", message=member.problem)
        ]
        return profile
    if not processes:
        profile.outcome = NOT_RUN
        return profile
    profile.failures = [
        failure_of(process)
        for process in processes
        if process.run.outcome != "ok" and process.run.purpose not in _TRIALS
    ]
    profile.pids = _pids(processes)
    light = [process for process in processes if process.run.purpose == "resident"]
    failed = [process for process in light if process.run.outcome != "ok"]
    if failed:
        profile.outcome = failed[0].run.outcome
    readable = [process for process in light if process.report is not None]
    starts = [start for process in readable if (start := start_of(process)) is not None]
    profile.start_bytes = min(starts, default=0)
    profile.held, profile.peak = retained(readable), peak(readable)
    workers = [one for process in readable[-1:] for one in process.own.workers]
    profile.worker_processes = sum(one.count for one in workers)
    profile.worker_bytes = sum(one.private_bytes for one in workers)
    profile.phases = _phases(readable)
    profile.packages = _packages(readable)
    profile.growth = batch_growth(readable, member.batch)
    profile.sites = allocation_sites(processes)
    profile.arrays = _arrays(processes)
    profile.variants = [_variant(name, processes, profile.held) for name in member.variants]
    profile.disturbances = _disturbances(processes, readable)
    return profile


def failure_of(process: SuiteProcess) -> SuiteFailure:
    """Returns how a process failed."""
    run = process.run
    return SuiteFailure(
        purpose=run.purpose, variant=run.variant, outcome=run.outcome, phase=run.phase, message=run.message
    )


def _pids(processes: Sequence[SuiteProcess]) -> dict[str, list[int]]:
    pids: dict[str, list[int]] = {}
    for process in processes:
        if process.run.pid:
            purpose = process.run.purpose + (f": {process.run.variant}" if process.run.variant else "")
            pids.setdefault(purpose, []).append(process.run.pid)
    return pids


def _phases(light: Sequence[SuiteProcess]) -> list[SuitePhase]:
    phases = []
    for path in (*STAGES, AFTER_TRIM, AGAIN):
        runs = [(process, rss) for process in light if (rss := resident(process, path)) is not None]
        deltas = [rss.delta_bytes for _, rss in runs]
        delta, after = spread(deltas), spread(rss.after_bytes for _, rss in runs)
        highest = spread(rss.peak_bytes for _, rss in runs)
        if delta is None or after is None or highest is None:
            continue
        process = runs[middle(deltas)][0]
        row = row_of(process, path)
        phase = SuitePhase(path=path, delta=delta, after=after, peak=highest, wall_ns=0 if row is None else row.wall_ns)
        ledger = ledger_of(process, path)
        if ledger is not None:
            phase.holders = [
                SuiteHolder(category=item.category, owner=item.owner, bytes=item.bytes) for item in ledger.items
            ]
            phase.unexplained_bytes = ledger.unexplained_bytes
        phases.append(phase)
    return phases


def _packages(light: Sequence[SuiteProcess]) -> list[SuitePackage] | None:
    packages = imported_packages(next((process for process in reversed(light) if process.report is not None), None))
    return None if packages is None else packages[:_PACKAGES]


def _arrays(processes: Sequence[SuiteProcess]) -> list[SuiteArrayTotals] | None:
    stock = next((process.own.arrays for process in processes if process.own.arrays is not None), None)
    if stock is None:
        return None
    return [
        SuiteArrayTotals(**{name: getattr(row, name) for name in SuiteArrayTotals.__struct_fields__})
        for row in stock.arrays
    ]


def _answers(processes: Sequence[SuiteProcess], purpose: str, variant: str) -> SuiteAnswers | None:
    found = (one.own.answers for one in processes if one.run.purpose == purpose and one.run.variant == variant)
    return next((answers for answers in found if answers is not None), None)


def _variant(name: str, processes: Sequence[SuiteProcess], before: Spread | None) -> SuiteVariant:
    runs = [process for process in processes if process.run.purpose == "variant" and process.run.variant == name]
    held = retained(runs)
    variant = SuiteVariant(name=name, held=held, peak=None if held is None else peak(runs))
    times = [
        row.wall_ns // len(run.own.requests)
        for run in runs
        if run.run.outcome == "ok" and run.own.requests and (row := row_of(run, BATCH)) is not None
    ]
    variant.request_ns = median_low(times) if times else None
    variant.agreement = agreement(_answers(processes, "resident", ""), _answers(processes, "variant", name))
    if before is not None and variant.held is not None:
        variant.saves_low_bytes, variant.saves_high_bytes = saving(before, variant.held)
    return variant


def _disturbances(processes: Sequence[SuiteProcess], light: Sequence[SuiteProcess]) -> list[SuiteDisturbance]:
    """Returns what each heavy pass added to the same phases of the light runs."""
    light_held, light_peak = retained(light), peak(light)
    walls = spread(wall_of(process) for process in light if resident(process, AFTER_GC) is not None)
    costs = []
    for purpose in ("native", "python"):
        runs = [process for process in processes if process.run.purpose == purpose]
        heavy_held, heavy_peak = retained(runs), peak(runs)
        if light_held is None or light_peak is None or walls is None or heavy_held is None or heavy_peak is None:
            continue
        costs.append(
            SuiteDisturbance(
                purpose=purpose,
                held_bytes=heavy_held.median_bytes + (start_of(runs[0]) or 0),
                added_bytes=heavy_held.median_bytes - light_held.median_bytes,
                peak_added_bytes=heavy_peak.median_bytes - light_peak.median_bytes,
                wall_ratio=wall_of(runs[0]) / max(walls.median_bytes, 1),
            )
        )
    return costs
