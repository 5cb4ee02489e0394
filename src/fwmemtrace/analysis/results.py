"""What a report is made of: the JSON report's own shape (version 1), which docs/report.schema.json is made from.

All sizes are bytes and all times nanoseconds. `None` stands for "the probe was not on", never for zero. New keys may be
added within a version; one that is here keeps its name and meaning.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from .suite_results import Suite

REPORT_FORMAT = "fwmemtrace-report"
REPORT_VERSION = 1


class Result(msgspec.Struct, kw_only=True):
    """The base of every part of a report."""


class Process(Result, kw_only=True):
    """One process of the session."""

    pid: int
    parent_pid: int
    python: str
    platform: str
    command: list[str]
    started_unix_ns: int
    ended: Literal["closed", "not closed"]
    last_phase: str | None  # the innermost phase open where the records stop; None after an orderly end
    peak_source: Literal["kernel", "sampled"]
    probes: list[str]
    wall_ns: int  # from the session's begin to its last record
    before_session_bytes: int  # RSS when the session began
    end_bytes: int  # RSS when it ended, or at the last reading
    peak_bytes: int  # the largest RSS of the session
    outside_phases_bytes: int  # RSS change while no phase was open
    overlap_bytes: int  # counted by two outermost phases that ran at once: their deltas less this add up
    lost_records: int
    cgroup: Cgroup | None = None
    uss_bytes: int | None = None  # the latest reading
    pss_bytes: int | None = None


class Cgroup(Result, kw_only=True):
    """The control group's own figures, the largest of those read."""

    current_bytes: int
    peak_bytes: int | None
    limit_bytes: int | None


class TraceInfo(Result, kw_only=True):
    """What the figures come from, and how far they can be trusted."""

    complete: bool
    lost_records: int
    damaged_bytes: int
    notes: list[str]
    processes: list[Process]


class Resident(Result, kw_only=True):
    """RSS over a phase, inner phases included. `before`, `after` and `peak` are absolute."""

    before_bytes: int
    after_bytes: int
    delta_bytes: int
    peak_bytes: int
    tracer_bytes: int = 0  # of the delta: what probes left resident at the edges of phases inside this one


class Frame(Result, kw_only=True):
    """One frame of a stack."""

    function: str
    file: str
    line: int


class NativeSite(Result, kw_only=True):
    """One stack that allocated."""

    live_bytes: int
    allocated_bytes: int
    allocations: int
    library: str | None
    stack: list[Frame]  # innermost first


class NativeTotals(Result, kw_only=True):
    """What memray's capture says of a phase; see the field list in docs/report.md."""

    allocated_bytes: int = 0
    allocations: int = 0
    freed_bytes: int = 0
    held_bytes: int = 0
    live_bytes: int = 0
    peak_bytes: int = 0
    file_backed_bytes: int = 0


class Native(NativeTotals, kw_only=True):
    """The phase's own allocations, inner phases left out, so that the rows add up to the capture's totals."""

    including_inner: NativeTotals
    top: list[NativeSite]


class HeapSite(Result, kw_only=True):
    """One line of the program and what tracemalloc holds against it."""

    file: str
    line: int
    size_bytes: int
    delta_bytes: int
    count: int
    delta_count: int


class HeapPackage(Result, kw_only=True):
    """One package and what tracemalloc holds against its lines."""

    package: str
    size_bytes: int
    delta_bytes: int
    count: int
    delta_count: int


class HeapLine(Result, kw_only=True):
    """One frame of a stack that tracemalloc kept; it keeps no function's name."""

    file: str
    line: int


class HeapStack(Result, kw_only=True):
    """One stack and what tracemalloc holds against it."""

    stack: list[HeapLine]  # innermost first
    size_bytes: int
    delta_bytes: int
    count: int
    delta_count: int


class PythonHeap(Result, kw_only=True):
    """tracemalloc over a phase, inner phases included."""

    delta_bytes: int
    peak_bytes: int
    top: list[HeapSite]  # by growth, over the runs that were looked at line by line
    detailed_calls: int = 0  # how many runs those were
    largest: list[HeapSite] = []  # by size, when the latest of them ended
    packages: list[HeapPackage] = []  # by growth
    stacks: list[HeapStack] = []  # by growth; empty where tracemalloc keeps one frame


class TypeGrowth(Result, kw_only=True):
    """One type and how its instances changed."""

    type: str
    delta_count: int
    delta_bytes: int
    count: int = 0
    size_bytes: int = 0


class Objects(Result, kw_only=True):
    """The census over a phase, inner phases included."""

    delta_count: int
    delta_bytes: int
    top: list[TypeGrowth]
    calls: int = 0  # runs of the phase that had a census


class Tensors(Result, kw_only=True):
    """Live tensors and arrays at a phase's end, each storage counted once."""

    live_bytes: int
    delta_bytes: int
    by_dtype: dict[str, int]
    file_backed_bytes: int


class Phase(Result, kw_only=True):
    """All runs of the phases of one path in one process."""

    path: str  # "" is what happened in no phase
    pid: int
    calls: int
    errors: int
    wall_ns: int
    resident: Resident | None
    native: Native | None = None
    python_heap: PythonHeap | None = None
    objects: Objects | None = None
    tensors: Tensors | None = None
    error_types: dict[str, int] = {}
    attributes: dict[str, str | int | float | bool] = {}  # of its first run
    open_calls: int = 0  # runs that had not ended when the records stop


class Import(Result, kw_only=True):
    """One imported module."""

    module: str
    parent: str | None
    own_bytes: int
    cumulative_bytes: int
    wall_ns: int  # with all that it imported first, as `cumulative_bytes`
    own_ns: int = 0
    phase: str = ""  # where it was imported first
    chain: list[str] = []  # the modules through which it came, the outermost first; it itself is not among them
    asked_by: str = ""  # "module:line" of the import statement that began the chain
    file: str | None = None
    error: str | None = None  # it failed to import: the exception's type
    loads: int = 1  # how often its code ran


class ImportPackage(Result, kw_only=True):
    """All modules of one top-level package."""

    package: str
    own_bytes: int
    own_ns: int
    modules: int
    phase: str  # where the first of its modules was imported
    chain: list[str]  # the modules through which that came
    asked_by: str = ""


class ImportPhase(Result, kw_only=True):
    """What the imports account for in the RSS change of a phase that imported something, inner phases included."""

    path: str
    modules: int
    imported_bytes: int  # the sum of the modules' own
    rss_delta_bytes: int
    unaccounted_bytes: int  # what RSS changed by while no import was open


class LedgerItem(Result, kw_only=True):
    """A part of a change in RSS."""

    category: str
    owner: str
    bytes: int
    private_bytes: int = 0  # of it, in no other process's map
    evictable_bytes: int = 0  # of it, clean pages of files, which the kernel takes back when it needs to
    anonymous_bytes: int = 0  # of it, pages of no file: every worker has to have its own


class Ledger(Result, kw_only=True):
    """What a phase's change in RSS consists of: the items and `unexplained_bytes` add up to `rss_delta_bytes`."""

    path: str
    rss_delta_bytes: int
    unexplained_bytes: int  # anonymous memory without a name, and the change over runs that were not read
    items: list[LedgerItem]
    pid: int = 0
    calls: int = 0
    read_calls: int = 0  # of these, runs at both of whose edges the mappings were read
    unread_bytes: int = 0  # part of `unexplained_bytes`: the change over the other runs


class Composition(Result, kw_only=True):
    """What RSS consisted of at one time: the items and `unexplained_bytes` add up to `rss_bytes`."""

    pid: int
    moment: Literal["begin", "largest", "end"]  # of the session; "largest": of those that were read
    path: str  # the phase at whose edge it was read
    rss_bytes: int
    unexplained_bytes: int
    items: list[LedgerItem]


class Workers(Result, kw_only=True):
    """What a number of workers like this process would take together."""

    workers: int
    once_bytes: int  # pages of files and shared memory: one copy for all
    each_bytes: int  # anonymous memory, a copy a worker
    total_bytes: int
    sum_of_rss_bytes: int  # what adding up the workers' RSS would say


class Growth(Result, kw_only=True):
    """The trend over the calls of a phase."""

    path: str
    calls: int
    slope_bytes_per_call: float
    low: float
    high: float
    verdict: Literal["flat", "growing", "saturating", "too few calls"]


class Advice(Result, kw_only=True):
    """Something to do, and what it saves."""

    title: str
    saves_bytes: int
    basis: Literal["measured", "computed"]
    evidence: str
    phase: str


class Budget(Result, kw_only=True):
    """The peak against a limit."""

    limit_bytes: int
    peak_bytes: int
    exceeded: bool


class Overhead(Result, kw_only=True):
    """What a probe itself cost, over the whole session."""

    pid: int
    probe: str
    wall_ns: int
    rss_bytes: int


class TimelinePoint(Result, kw_only=True):
    """One sample of RSS."""

    pid: int
    at_ns: int  # since the first process's session began
    rss_bytes: int
    phase: str  # the innermost phase that had begun and not ended


class Report(Result, kw_only=True):
    """Everything a report is made of."""

    format: str = REPORT_FORMAT
    version: int = REPORT_VERSION
    trace: TraceInfo
    phases: list[Phase]
    imports: list[Import] | None = None
    ledger: list[Ledger] | None = None
    import_packages: list[ImportPackage] | None = None
    import_phases: list[ImportPhase] | None = None
    composition: list[Composition] | None = None
    growth: list[Growth] | None = None
    advice: list[Advice] = []
    budget: Budget | None = None
    overhead: list[Overhead] = []
    timeline: list[TimelinePoint] = []
    suite: Suite | None = None
