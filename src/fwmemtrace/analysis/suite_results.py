"""What the suite's part of a report is made of: bytes, nanoseconds, and None for "not on", as in `results`."""

from __future__ import annotations

from typing import Literal

import msgspec


class SuiteResult(msgspec.Struct, kw_only=True):
    """The base of every part of it."""


class Spread(SuiteResult, kw_only=True):
    """A figure that was measured several times."""

    median_bytes: int
    low_bytes: int
    high_bytes: int
    runs: int


class SuiteHolder(SuiteResult, kw_only=True):
    """A part of a phase's RSS change; see `results.LedgerItem`."""

    category: str
    owner: str
    bytes: int


class SuitePhase(SuiteResult, kw_only=True):
    """One phase of a component, over the runs with the light probes."""

    path: str
    delta: Spread
    after: Spread
    peak: Spread
    wall_ns: int  # the median
    holders: list[SuiteHolder] | None = None  # of the run that lies in the middle
    unexplained_bytes: int | None = None


class SuiteSite(SuiteResult, kw_only=True):
    """A place of the program that memory comes from."""

    kind: Literal["native", "python_heap", "objects"]
    phase: str
    bytes: int
    count: int
    place: str


class SuiteFailure(SuiteResult, kw_only=True):
    """A process that did not do all of its work."""

    purpose: str
    variant: str
    outcome: str
    phase: str
    message: str


class SuiteVariant(SuiteResult, kw_only=True):
    """Another way to make the component, measured as it was itself. Bytes are over the interpreter's own."""

    name: str
    held: Spread | None  # None: no run of it came through
    peak: Spread | None
    saves_low_bytes: int | None = None  # may be negative: it needs more than the component as it is
    saves_high_bytes: int | None = None


class SuiteDisturbance(SuiteResult, kw_only=True):
    """What the heavy probes of one pass changed, against the light ones."""

    purpose: str
    held_bytes: int  # RSS after the requests in that pass
    added_bytes: int  # of that, more than in the runs with the light probes
    peak_added_bytes: int
    wall_ratio: float


class SuitePackage(SuiteResult, kw_only=True):
    """What a component imports, by top-level package."""

    package: str
    bytes: int
    modules: int


class SuiteArrayTotals(SuiteResult, kw_only=True):
    """Tensors and arrays of one element type that live after the requests, each storage counted once."""

    library: str
    dtype: str
    item_bytes: int
    count: int
    bytes: int
    resident_bytes: int
    private_bytes: int
    parameters: bool


class SuiteGrowth(SuiteResult, kw_only=True):
    """How RSS went over the requests of the batch."""

    requests: int
    bytes_per_request: float  # pages of files left out
    verdict: Literal["flat", "growing", "saturating", "too few calls"]
    file_bytes: int = 0  # what of the batch's RSS change is clean pages of files


class SuiteComponent(SuiteResult, kw_only=True):
    """One component. `held` and `peak` are RSS less what the interpreter with the tracer had before it."""

    name: str
    outcome: str  # "ok", or how its first failure ended; see `records.SuiteRun`
    failures: list[SuiteFailure] = []
    requests: int = 0  # of the batch
    start_bytes: int = 0  # RSS before its import: the interpreter's and the tracer's
    held: Spread | None = None  # after the requests and a garbage collection
    peak: Spread | None = None
    phases: list[SuitePhase] = []
    packages: list[SuitePackage] | None = None
    sites: list[SuiteSite] = []
    arrays: list[SuiteArrayTotals] | None = None
    growth: SuiteGrowth | None = None
    variants: list[SuiteVariant] = []
    disturbances: list[SuiteDisturbance] = []
    pids: dict[str, list[int]] = {}  # by purpose: whose rows of `phases` these are


class SuiteShare(SuiteResult, kw_only=True):
    """One component within the service: all together in one process, in their order."""

    name: str
    alone_bytes: int  # what it holds in a process of its own
    marginal_bytes: int  # what it added to those before it
    shared_bytes: int  # of its imports, what one before it had imported already
    failed: bool = False


class SuiteShared(SuiteResult, kw_only=True):
    """A package that more than one component imports. It is told once."""

    package: str
    bytes: int
    components: list[str]


class SuiteSharing(SuiteResult, kw_only=True):
    """The parts against the whole."""

    order: list[SuiteShare]
    sum_of_parts_bytes: int
    together_bytes: int  # held by all together, over the interpreter's own
    together_peak_bytes: int
    shared: list[SuiteShared]


class SuiteFact(SuiteResult, kw_only=True):
    """A sentence of evidence: each `{}` in the text stands for the next of the sizes."""

    text: str
    bytes: list[int] = []


class SuiteLever(SuiteResult, kw_only=True):
    """A row of the decision matrix: something to do, what it saves, and how that is known."""

    component: str
    lever: str
    kind: Literal["import", "dtype", "twin", "allocator", "growth", "variant"]
    now_bytes: int  # what the component holds
    saves_low_bytes: int
    saves_high_bytes: int
    after_bytes: int
    basis: Literal["measured", "computed"]
    phase: str
    evidence: list[SuiteFact]
    in_service_bytes: int | None = None  # what it saves with all components in one process; negative: it costs


class SuiteBudget(SuiteResult, kw_only=True):
    """What the service needs against what it may."""

    limit_bytes: int
    peak_bytes: int  # of all components together, or of the biggest where they were not run together
    need_bytes: int  # how much too much that is; 0 where the limit is kept


class Suite(SuiteResult, kw_only=True):
    """Everything a suite found."""

    file: str
    repeat: int
    bare_bytes: int  # RSS of an interpreter that imports nothing
    memory_limit_bytes: int
    limited_by: str
    components: list[SuiteComponent]
    sharing: SuiteSharing | None = None
    matrix: list[SuiteLever] = []
    budget: SuiteBudget | None = None
