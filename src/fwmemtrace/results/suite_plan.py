"""The plan of a suite, and the budget that it is for."""

from __future__ import annotations

from typing import Literal

from .suite_levers import Action, SuiteFact
from .suite_profile import Spread, SuiteHolder, SuitePackage, SuiteResult


class SuiteStep(SuiteResult, kw_only=True):
    """One change of the plan."""

    component: str  # component that it is about, or "the service"
    action: Action  # what to do
    subject: str  # what to do it to, as in the decision matrix
    step: str  # the change in words; only reports fill it in
    alone_bytes: int | None  # what it saves in the service by itself; negative: a cost; None if that was not measured
    after_bytes: int | None  # the service with this change and those before it; None if that was not measured
    evidence: list[SuiteFact] = []  # where to make the change


class SuitePair(SuiteResult, kw_only=True):
    """Two changes that save more together than the sum of what each saves alone, in the service."""

    steps: list[SuiteStep]  # both of them
    together_bytes: int  # what both save
    apart_bytes: int  # the sum of what each saves alone


class SuiteSplit(SuiteResult, kw_only=True):
    """The service without one of its components, which would run in a process of its own."""

    component: str  # the component left out
    service: Spread  # the others, with the changes below
    within_budget: bool  # whether they keep to the budget
    own_bytes: int | None  # the component in a process of its own, with the variant that needs least
    own_variant: str  # that variant; "" for the component as it is
    steps: list[SuiteStep]  # the changes


class SuitePart(SuiteResult, kw_only=True):
    """What one component adds to the service."""

    component: str  # the component
    bytes: int  # RSS that it adds to those before it, and private memory of processes that it started


class SuiteGrower(SuiteResult, kw_only=True):
    """A component that still grows with its requests, so that the figures of the plan hold for these only."""

    component: str  # the component
    bytes_per_request: float  # growth of RSS per request
    requests: int  # number of requests of the batch


class SuitePlan(SuiteResult, kw_only=True):
    """The smallest measured set of changes that keeps the service within its budget, or the set that comes closest.

    All sizes are of the whole process, a bare interpreter included.
    """

    measure: Literal["rss", "unevictable"]  # what is compared: peak RSS, or peak RSS less clean pages of files
    limit_bytes: int  # the budget
    within_budget: bool  # whether every run of the set is within the budget; false if a component failed or grows
    now: Spread  # the service as it is
    result: Spread  # the service with all changes of the plan
    now_other_bytes: int | None  # the service as it is by the other measure
    result_other_bytes: int | None  # the service with all changes by the other measure
    steps: list[SuiteStep]  # the changes, in the order to make them
    remains: list[SuiteHolder]  # what the service consists of with all changes, the largest first
    packages: list[SuitePackage]  # the packages that it still imports, the largest first
    pairs: list[SuitePair] = []  # changes that only help together, those that save most first
    splits: list[SuiteSplit] = []  # if the budget is out of reach: the service without one component
    sets_measured: int = 0  # number of sets of changes measured
    growing: list[SuiteGrower] = []  # components that still grow with each request with all changes
    searched: bool = True  # whether the search for it came to its end; false after an interrupt
    failed: list[str] = []  # components that failed, which no figure includes
    parts: list[SuitePart] = []  # what each component adds with all changes, in the order of the service


class SuiteBudget(SuiteResult, kw_only=True):
    """The peak of the service, compared with the budget."""

    limit_bytes: int  # the budget
    peak_bytes: int  # peak RSS of all components in one process, or of the largest where that was not run
    need_bytes: int  # by how much the peak exceeds the budget; 0 within it
    measure: Literal["rss", "unevictable"] = "rss"  # "unevictable": the peak leaves out clean pages of files
    worker_bytes: int = 0  # part of the peak: private memory of processes that the components started
