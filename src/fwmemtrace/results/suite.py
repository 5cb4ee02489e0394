"""The suite's part of a report: bytes, nanoseconds, and None for "not measured", as in `results`."""

from __future__ import annotations

from .suite_levers import Action, FactKind, SuiteFact, SuiteLever, SuiteModel, SuiteModelWay
from .suite_plan import SuiteBudget, SuiteGrower, SuitePair, SuitePart, SuitePlan, SuiteSplit, SuiteStep
from .suite_profile import (
    Spread,
    SuiteAgreement,
    SuiteArrayTotals,
    SuiteComponent,
    SuiteDisturbance,
    SuiteFailure,
    SuiteGrowth,
    SuiteHolder,
    SuitePackage,
    SuitePhase,
    SuiteResult,
    SuiteShare,
    SuiteShared,
    SuiteSharing,
    SuiteSite,
    SuiteVariant,
)

__all__ = [
    "Action",
    "FactKind",
    "Spread",
    "Suite",
    "SuiteAgreement",
    "SuiteArrayTotals",
    "SuiteBudget",
    "SuiteComparison",
    "SuiteComponent",
    "SuiteDifference",
    "SuiteDisturbance",
    "SuiteFact",
    "SuiteFailure",
    "SuiteGrower",
    "SuiteGrowth",
    "SuiteHolder",
    "SuiteLever",
    "SuiteModel",
    "SuiteModelWay",
    "SuitePackage",
    "SuitePair",
    "SuitePart",
    "SuitePhase",
    "SuitePlan",
    "SuiteResult",
    "SuiteShare",
    "SuiteShared",
    "SuiteSharing",
    "SuiteSite",
    "SuiteSplit",
    "SuiteStep",
    "SuiteUnfinished",
    "SuiteVariant",
]


class SuiteDifference(SuiteResult, kw_only=True):
    """One figure of two runs of the suite."""

    name: str  # a component, or "the service"
    before: Spread | None  # in the earlier run; None if it was not measured
    after: Spread | None  # in this one
    change_bytes: int | None  # difference of the medians
    clear: bool  # whether the runs of both do not overlap


class SuiteComparison(SuiteResult, kw_only=True):
    """What has changed since an earlier run of the suite."""

    since: str  # the earlier run
    service: SuiteDifference  # peak of all components in one process, a bare interpreter included
    components: list[SuiteDifference]  # what each holds in a process of its own


class SuiteUnfinished(SuiteResult, kw_only=True):
    """How far a suite came that did not run to its end."""

    stopped_by: str  # a signal's name, or an error message; "" if the suite was killed, still runs, or could not write
    processes: int  # number of processes that have run
    missing: list[str]  # purposes of which not all processes have run, as in docs/suite.md


class Suite(SuiteResult, kw_only=True):
    """All results of a suite."""

    file: str  # the suite file or module, as given
    repeat: int  # runs used to compute a spread
    bare_bytes: int  # RSS of an interpreter that imports nothing
    memory_limit_bytes: int  # limit of each process; 0 for none
    limited_by: str  # "cgroup", "RLIMIT_AS" or ""
    components: list[SuiteComponent]  # in the order of the service
    sharing: SuiteSharing | None = None  # None if they were not run in one process
    matrix: list[SuiteLever] = []  # the lever that helps most first
    service: Spread | None = None  # peak of all components in one process, a bare interpreter included
    unfinished: SuiteUnfinished | None = None  # None if the suite ran to its end
    against: SuiteComparison | None = None  # with `--against`: what has changed since an earlier run
    budget: SuiteBudget | None = None  # None without a budget
    failures: list[SuiteFailure] = []  # processes of all components, as they are, that failed
    models: list[SuiteModel] = []  # with `--try-models`: the torch models that components call
    plan: SuitePlan | None = None  # None without a budget, or if the service is within it
