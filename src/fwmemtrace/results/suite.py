"""The suite's part of a report: bytes, nanoseconds, and None for "not measured", as in `results`."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Action: TypeAlias = Literal[
    "remove import",
    "narrow weights",
    "share equal tensors",
    "trim allocator",
    "freeze objects",
    "set variable",
    "limit growth",
    "limit size",
    "use variant",
    "move import",
    "set option",
    "run model",
    "bound dict",
]

# What a fact states; docs/suite.md has the names, sizes and counts of each.
FactKind: TypeAlias = Literal[
    "unused import",
    "imported by",
    "brings with it",
    "used elsewhere",
    "imported elsewhere",
    "deferred",
    "loaded anyway",
    "deferring failed",
    "held alone",
    "weights",
    "clean weights",
    "element size",
    "equal tensors",
    "equal tensor",
    "trimmed",
    "taken again",
    "growing",
    "grew and stopped",
    "python heap growth",
    "python heap line",
    "before",
    "after",
    "ledger line",
    "ledger total",
    "unevictable",
    "peak",
    "service peak",
    "service spread",
    "model alone",
    "outputs agree",
    "call time",
    "stands in",
    "forked",
    "unbounded cache",
    "answers equal",
    "answers differ",
    "own line",
    "moves into",
    "not used there",
]


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
    cosine: float | None  # smallest cosine similarity of two answers; None if no answer is made of numbers


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


class SuiteFact(SuiteResult, kw_only=True):
    """A fact behind a lever: its kind, with the figures of that kind; docs/suite.md lists them."""

    kind: FactKind  # what it states
    text: str  # the same as a sentence, each `{}` standing for the next of `bytes`; only reports fill it in
    bytes: list[int] = []  # sizes, or changes in size
    names: list[str] = []  # modules, components, phases, places
    counts: list[int] = []  # numbers of things


class SuiteLever(SuiteResult, kw_only=True):
    """A row of the decision matrix: an action, its saving, and the evidence for it."""

    component: str  # component that it is about, or "the service" for all of them
    action: Action  # what to do
    subject: str  # what to do it to: a module, an element type, a variable, a line, a variant
    lever: str  # the action in words; only reports fill it in
    kind: Literal["import", "dtype", "twin", "allocator", "growth", "variant", "option", "model"]  # what it is about
    now_bytes: int  # RSS held now
    saves_low_bytes: int  # smallest saving
    saves_high_bytes: int  # largest saving
    after_bytes: int  # RSS held with the change
    basis: Literal["measured", "computed"]  # measured in processes, or computed from the sizes of live objects
    phase: str  # phase in which the memory is allocated
    evidence: list[SuiteFact]  # the facts behind it
    in_service_bytes: int | None = None  # saving with all components in one process; negative: a cost
    in_service_peak_bytes: int | None = None  # the same for the peak, which is what a limit applies to
    applicable: bool = True  # false if a trial showed that it cannot be applied as it is


class SuiteModelWay(SuiteResult, kw_only=True):
    """One way to run a model, tried in a fresh process on calls that the component made."""

    way: str  # "as it is", "float16 file", "bfloat16 file", "int8 dynamic", "ONNX Runtime", "ONNX Runtime int8"
    problem: str  # why it does not work; "" if it does
    held_bytes: (
        int  # RSS with the model loaded and the calls answered, libraries included, less that of the bare process
    )
    peak_bytes: int  # highest RSS, less the same
    call_ns: int  # median time of a call
    largest_difference: float  # largest difference of an output from that of the model as it is
    cosine: float  # smallest cosine similarity of an output to that of the model as it is


class SuiteModel(SuiteResult, kw_only=True):
    """A torch model that a component calls, and the ways to run it."""

    component: str  # component that calls it
    name: str  # its class
    parameters: int  # number of parameters
    bytes: int  # size of its parameters and buffers
    dtype: str  # their element type
    calls: int  # calls that were repeated
    ways: list[SuiteModelWay]  # as it is, then the others


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


class SuitePlan(SuiteResult, kw_only=True):
    """The smallest measured set of changes that keeps the service within its budget, or the set that comes closest.

    All sizes are of the whole process, a bare interpreter included.
    """

    measure: Literal["rss", "unevictable"]  # what is compared: peak RSS, or peak RSS less clean pages of files
    limit_bytes: int  # the budget
    within_budget: bool  # whether every run of the set is within the budget; false if a component failed
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
    failed: list[str] = []  # components that failed, which no figure includes
    parts: list[SuitePart] = []  # what each component adds with all changes, in the order of the service


class SuiteBudget(SuiteResult, kw_only=True):
    """The peak of the service, compared with the budget."""

    limit_bytes: int  # the budget
    peak_bytes: int  # peak RSS of all components in one process, or of the largest where that was not run
    need_bytes: int  # by how much the peak exceeds the budget; 0 within it
    measure: Literal["rss", "unevictable"] = "rss"  # "unevictable": the peak leaves out clean pages of files
    worker_bytes: int = 0  # part of the peak: private memory of processes that the components started


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
    against: SuiteComparison | None = None  # with `--against`: what has changed since an earlier run
    budget: SuiteBudget | None = None  # None without a budget
    models: list[SuiteModel] = []  # with `--try-models`: the torch models that components call
    plan: SuitePlan | None = None  # None without a budget, or if the service is within it
