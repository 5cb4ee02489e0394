"""What the suite's part of a report is made of: bytes, nanoseconds, and None for "not on", as in `results`."""

from __future__ import annotations

from typing import Literal

import msgspec


class SuiteResult(msgspec.Struct, kw_only=True):
    """The base of every part of it."""


class Spread(SuiteResult, kw_only=True):
    """A figure that was measured several times."""

    median_bytes: int  # the middle one
    low_bytes: int  # the least
    high_bytes: int  # the most
    runs: int  # how often it was measured


class SuiteHolder(SuiteResult, kw_only=True):
    """A part of a phase's RSS change; see `results.LedgerItem`."""

    category: str  # what kind of memory
    owner: str  # whose
    bytes: int  # how much of the change


class SuitePhase(SuiteResult, kw_only=True):
    """One phase of a component, over the runs with the light probes."""

    path: str  # of the phase
    delta: Spread  # RSS after less before
    after: Spread  # RSS at its end
    peak: Spread  # the kernel's high-water mark within it
    wall_ns: int  # the median
    holders: list[SuiteHolder] | None = None  # of the run that lies in the middle
    unexplained_bytes: int | None = None  # of the same run


class SuiteSite(SuiteResult, kw_only=True):
    """A place of the program that memory comes from."""

    kind: Literal["native", "python_heap", "objects"]  # which probe says so
    phase: str  # where it was measured
    bytes: int  # native: still live when the process ended; Python heap and objects: growth over the phase
    count: int  # allocations, blocks or objects
    place: str  # a stack, a line or a type


class SuiteFailure(SuiteResult, kw_only=True):
    """A process that did not do all of its work."""

    purpose: str  # what the process was for; see `records.SuiteRun`
    variant: str  # which one, where it was for a variant
    outcome: str  # how it ended; see `records.SuiteRun`
    phase: str  # where
    message: str  # what was said


class SuiteVariant(SuiteResult, kw_only=True):
    """Another way to make the component, measured as it was itself. Bytes are over the interpreter's own."""

    name: str  # as declared
    held: Spread | None  # None: no run of it came through
    peak: Spread | None  # the high-water mark of its stages
    saves_low_bytes: int | None = None  # may be negative: it needs more than the component as it is
    saves_high_bytes: int | None = None  # at most


class SuiteDisturbance(SuiteResult, kw_only=True):
    """What the heavy probes of one pass changed, against the light ones."""

    purpose: str  # "native" or "python"
    held_bytes: int  # RSS after the requests in that pass
    added_bytes: int  # of that, more than in the runs with the light probes
    peak_added_bytes: int  # the same of the peak
    wall_ratio: float  # time of the stages over that of the light runs


class SuitePackage(SuiteResult, kw_only=True):
    """What a component imports, by top-level package."""

    package: str  # its top-level name
    bytes: int  # the sum of its modules' own
    modules: int  # how many were imported


class SuiteArrayTotals(SuiteResult, kw_only=True):
    """Tensors and arrays of one element type that live after the requests, each storage counted once."""

    library: str  # "torch" or "numpy"
    dtype: str  # the element type
    item_bytes: int  # of one element
    count: int  # storages
    bytes: int  # their size
    resident_bytes: int  # of that, in memory
    private_bytes: int  # of that, neither a clean page of a file nor shared
    parameters: bool  # whether they belong to a torch module


class SuiteGrowth(SuiteResult, kw_only=True):
    """How RSS went over the requests of the batch."""

    requests: int  # how many
    bytes_per_request: float  # pages of files left out
    verdict: Literal["flat", "growing", "saturating", "too few calls"]  # as in `Growth`
    file_bytes: int = 0  # what of the batch's RSS change is clean pages of files


class SuiteComponent(SuiteResult, kw_only=True):
    """One component. `held` and `peak` are RSS less what the interpreter with the tracer had before it."""

    name: str  # as declared
    outcome: str  # "ok", "not run", or how its first failure ended; see `records.SuiteRun`
    failures: list[SuiteFailure] = []  # processes of any purpose that did not come through
    requests: int = 0  # of the batch
    start_bytes: int = 0  # RSS before its import: the interpreter's and the tracer's
    held: Spread | None = None  # after the requests and a garbage collection
    peak: Spread | None = None  # of its stages
    phases: list[SuitePhase] = []  # in their order, over the runs with the light probes
    packages: list[SuitePackage] | None = None  # the biggest
    sites: list[SuiteSite] = []  # the biggest of each kind
    arrays: list[SuiteArrayTotals] | None = None  # None where that was not looked at to the end
    growth: SuiteGrowth | None = None  # None without a batch
    variants: list[SuiteVariant] = []  # as declared
    disturbances: list[SuiteDisturbance] = []  # what the heavy probes changed
    pids: dict[str, list[int]] = {}  # by purpose: whose rows of `phases` these are


class SuiteShare(SuiteResult, kw_only=True):
    """One component within the service: all together in one process, in their order."""

    name: str  # of the component
    alone_bytes: int  # what it holds in a process of its own
    marginal_bytes: int  # what it added to those before it
    shared_bytes: int  # of its imports, what one before it had imported already
    failed: bool = False  # it did not come through, alone or here


class SuiteShared(SuiteResult, kw_only=True):
    """A package that more than one component imports. It is told once."""

    package: str  # its top-level name
    bytes: int  # RSS with its import
    components: list[str]  # who imports it


class SuiteSharing(SuiteResult, kw_only=True):
    """The parts against the whole."""

    order: list[SuiteShare]  # the components in the order of the service
    sum_of_parts_bytes: int  # what they hold each by itself
    together_bytes: int  # held by all together, over the interpreter's own
    together_peak_bytes: int  # the peak of all together, over the same
    shared: list[SuiteShared]  # the biggest first


class SuiteFact(SuiteResult, kw_only=True):
    """A sentence of evidence: each `{}` in the text stands for the next of the sizes."""

    text: str  # the sentence
    bytes: list[int] = []  # the sizes in it


class SuiteLever(SuiteResult, kw_only=True):
    """A row of the decision matrix: something to do, what it saves, and how that is known."""

    component: str  # whose memory
    lever: str  # what to do
    kind: Literal["import", "dtype", "twin", "allocator", "growth", "variant"]  # what it is about
    now_bytes: int  # what the component holds
    saves_low_bytes: int  # at least
    saves_high_bytes: int  # at most
    after_bytes: int  # what it would hold
    basis: Literal["measured", "computed"]  # measured in processes, or computed from the sizes of what is there
    phase: str  # where the memory comes in
    evidence: list[SuiteFact]  # why, in sentences
    in_service_bytes: int | None = None  # what it saves with all components in one process; negative: it costs
    in_service_peak_bytes: int | None = None  # the same of the peak, which is what a limit is about


class SuiteBudget(SuiteResult, kw_only=True):
    """What the service needs against what it may."""

    limit_bytes: int  # what is allowed
    peak_bytes: int  # of all components together, or of the biggest where they were not run together
    need_bytes: int  # how much too much that is; 0 where the limit is kept


class Suite(SuiteResult, kw_only=True):
    """Everything a suite found."""

    file: str  # the suite file or module, as given
    repeat: int  # runs of each figure with a spread
    bare_bytes: int  # RSS of an interpreter that imports nothing
    memory_limit_bytes: int  # of each process; 0 for none
    limited_by: str  # "cgroup", "RLIMIT_AS" or ""
    components: list[SuiteComponent]  # in the order of the service
    sharing: SuiteSharing | None = None  # None where they were not run together
    matrix: list[SuiteLever] = []  # the lever that brings most first
    budget: SuiteBudget | None = None  # None without a limit
