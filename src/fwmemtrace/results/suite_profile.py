"""What the components of a suite take, each by itself and all in one process."""

from __future__ import annotations

from typing import Literal

import msgspec


class SuiteResult(msgspec.Struct, kw_only=True):
    """The base of all parts."""


class Spread(SuiteResult, kw_only=True):
    """A figure measured in several runs."""

    median_bytes: int  # of the run in the middle
    low_bytes: int  # the smallest
    high_bytes: int  # the largest
    runs: int  # number of runs


class SuiteHolder(SuiteResult, kw_only=True):
    """One line of a phase's ledger: a part of its RSS change; see `results.LedgerItem`."""

    category: str  # kind of memory
    owner: str  # package, library or file that it belongs to
    bytes: int  # its part of the change


class SuitePhase(SuiteResult, kw_only=True):
    """One phase of a component, over the runs with the light probes."""

    path: str  # path of the phase
    delta: Spread  # RSS change over the phase
    after: Spread  # RSS at its end
    peak: Spread  # peak RSS during the phase: the kernel's high-water mark
    wall_ns: int  # wall time of the run in the middle
    holders: list[SuiteHolder] | None = None  # its ledger in the run in the middle
    unexplained_bytes: int | None = None  # unexplained part of the change in that run


class SuiteSite(SuiteResult, kw_only=True):
    """A place in the program where memory was allocated."""

    kind: Literal["native", "python_heap", "objects"]  # probe that measured it
    phase: str  # phase in which it was measured
    bytes: int  # native: live when the process ended; Python heap and objects: growth over the phase
    count: int  # allocations, blocks or objects
    place: str  # a stack, a line or a type


class SuiteFailure(SuiteResult, kw_only=True):
    """A process that did not finish its work."""

    purpose: str  # what the process was for; see `records.SuiteRun`
    variant: str  # name of the variant, if it ran one
    outcome: str  # how it ended; see `records.SuiteRun`
    phase: str  # phase in which it ended
    message: str  # its error message


class SuiteAgreement(SuiteResult, kw_only=True):
    """How far the answers of a variant agree with those of the component."""

    requests: int  # requests whose answers can be compared
    equal: int  # of those, answers that are equal
    largest_difference: float | None  # between two numbers at the same place; None if no answer is made of numbers
    cosine: float | None  # smallest cosine similarity of two answers; None if no answer is made of several numbers


class SuiteVariant(SuiteResult, kw_only=True):
    """Another way to make the component, measured like the component itself, less RSS before the import."""

    name: str  # as declared
    held: Spread | None  # RSS after the requests; None if every run failed
    peak: Spread | None  # peak RSS of its phases; None if every run failed
    saves_low_bytes: int | None = None  # smallest saving; negative if it needs more than the component as it is
    saves_high_bytes: int | None = None  # largest saving
    request_ns: int | None = None  # time of a request of the batch; None if every run failed
    agreement: SuiteAgreement | None = None  # with the answers of the component; None if they cannot be compared


class SuiteDisturbance(SuiteResult, kw_only=True):
    """Overhead of a pass with heavy probes, compared with the light ones."""

    purpose: str  # "native" or "python"
    held_bytes: int  # RSS after the requests in that pass
    added_bytes: int  # by how much that exceeds the runs with the light probes
    peak_added_bytes: int  # the same for the peak
    wall_ratio: float  # time of its phases, divided by that of the light runs


class SuitePackage(SuiteResult, kw_only=True):
    """One top-level package that a component imports."""

    package: str  # its top-level name
    bytes: int  # RSS that its modules added by themselves
    modules: int  # modules imported


class SuiteArrayTotals(SuiteResult, kw_only=True):
    """Tensors and arrays of one element type that are live after the requests, each storage counted once."""

    library: str  # "torch" or "numpy"
    dtype: str  # element type
    item_bytes: int  # size of one element
    count: int  # storages
    bytes: int  # their size
    resident_bytes: int  # resident part of it
    private_bytes: int  # resident part that is neither shared nor a clean page of a file
    parameters: bool  # whether they belong to a torch module


class SuiteGrowth(SuiteResult, kw_only=True):
    """Growth of RSS over the requests of the batch."""

    requests: int  # requests made
    bytes_per_request: float  # growth per request, without pages of files
    verdict: Literal["flat", "growing", "saturating", "too few calls"]  # as in `Growth`
    file_bytes: int = 0  # clean pages of files in the batch's RSS change


class SuiteComponent(SuiteResult, kw_only=True):
    """One component. `held` and `peak` are RSS less that of the interpreter and the tracer before its import."""

    name: str  # as declared
    outcome: str  # "ok", "not run", or how the first failed run ended; see `records.SuiteRun`
    failures: list[SuiteFailure] = []  # processes of any purpose that failed
    requests: int = 0  # requests of the batch
    start_bytes: int = 0  # RSS before its import, of the interpreter and the tracer
    held: Spread | None = None  # RSS after the requests and a garbage collection
    peak: Spread | None = None  # peak RSS of its phases
    phases: list[SuitePhase] = []  # in their order, over the runs with the light probes
    packages: list[SuitePackage] | None = None  # the largest
    sites: list[SuiteSite] = []  # the largest of each kind
    arrays: list[SuiteArrayTotals] | None = None  # None if the pass that looks for them failed
    growth: SuiteGrowth | None = None  # None without a batch
    variants: list[SuiteVariant] = []  # as declared
    disturbances: list[SuiteDisturbance] = []  # overhead of the heavy probes
    worker_processes: int = 0  # processes that it started and that still run after its requests
    worker_bytes: int = 0  # their private memory, a part of `held` and `peak`
    pids: dict[str, list[int]] = {}  # processes by purpose; the report's `phases` has rows with these pids


class SuiteShare(SuiteResult, kw_only=True):
    """One component in the service: all components in one process, in their order."""

    name: str  # name of the component
    alone_bytes: int  # RSS held in a process of its own
    marginal_bytes: int  # RSS added to the components before it
    shared_bytes: int  # part of its imports that a component before it had already imported
    failed: bool = False  # whether it failed, alone or here


class SuiteShared(SuiteResult, kw_only=True):
    """A package that more than one component imports."""

    package: str  # its top-level name
    bytes: int  # RSS that its import added
    components: list[str]  # components that import it


class SuiteSharing(SuiteResult, kw_only=True):
    """All components in one process, compared with each in a process of its own."""

    order: list[SuiteShare]  # the components in the order of the service
    sum_of_parts_bytes: int  # sum of what each holds in a process of its own
    together_bytes: int  # RSS held with all in one process, less that before the first import
    together_peak_bytes: int  # peak RSS of that process, less the same
    shared: list[SuiteShared]  # the largest first
