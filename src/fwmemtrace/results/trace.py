"""What a report is made of: the JSON report's own shape (version 1), which docs/report.schema.json is made from.

All sizes are bytes and all times nanoseconds. `None` stands for "the probe was not on", never for zero. New keys may be
added within a version; one that is here keeps its name and meaning.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from .. import paths
from .suite import Suite

REPORT_FORMAT = "fwmemtrace-report"
REPORT_VERSION = 1


class Result(msgspec.Struct, kw_only=True):
    """The base of every part of a report."""


class PhaseResult(Result, kw_only=True):
    """The base of rows about one phase; `name` and `parent` follow from `path`."""

    path: str  # names joined by "/", those in a name escaped by a backslash; "" is what happened in no phase
    name: str = ""  # the last name of the path, as the program wrote it
    parent: str | None = None  # the path of the phase around it; None for an outermost one

    def __post_init__(self) -> None:
        names = self.names
        self.name = names[-1] if names else ""
        self.parent = paths.write(names[:-1]) if len(names) > 1 else None

    @property
    def names(self) -> paths.PhasePath:
        """The names of the path, outermost first."""
        return paths.read(self.path)


class Process(Result, kw_only=True):
    """One process of the session."""

    pid: int  # its number, which the rows of the other tables name it by
    parent_pid: int  # of the process that started it
    python: str  # the interpreter's version, such as "3.11.7"
    platform: str  # `sys.platform`
    command: list[str]  # `sys.orig_argv`
    started_unix_ns: int  # when the session began, by the clock on the wall
    ended: Literal["closed", "not closed"]  # "not closed": the records stop without the session's end, as after a kill
    last_phase: str | None  # the innermost phase open where the records stop; None after an orderly end
    peak_source: Literal["kernel", "sampled"]  # "kernel": exact; "sampled": the largest of the readings, a lower bound
    probes: list[str]  # the probes that were asked for
    wall_ns: int  # from the session's begin to its last record
    before_session_bytes: int  # RSS when the session began
    end_bytes: int  # RSS when it ended, or at the last reading
    peak_bytes: int  # the largest RSS of the session
    outside_phases_bytes: int  # RSS change while no phase was open
    overlap_bytes: int  # counted by two outermost phases that ran at once: their deltas less this add up
    lost_records: int  # records that the sink could not take
    cgroup: Cgroup | None = None  # None where there is no control group of version 2 with a memory controller
    uss_bytes: int | None = None  # the latest reading
    pss_bytes: int | None = None  # the latest reading; shared pages divided among their users
    service: str = ""  # the name of the service that the process belongs to
    instance: str = ""  # which instance of the service it is
    labels: dict[str, str] = {}  # further facts about the process, such as its version or region


class Cgroup(Result, kw_only=True):
    """The control group's own figures, the largest of those read."""

    current_bytes: int  # memory.current, the largest that was read
    peak_bytes: int | None  # memory.peak, since the group was made; None where the kernel does not tell
    limit_bytes: int | None  # the smallest memory.max of it and of the groups around it; None for no limit
    limit_group: str | None = None  # the group around it whose limit that is; None for its own limit or none
    limit_current_bytes: int | None = None  # memory.current of that group around it, the largest that was read


class TraceInfo(Result, kw_only=True):
    """What the figures come from, and how far they can be trusted."""

    complete: bool  # all processes ended in order, no record is lost, no byte damaged
    lost_records: int  # over all processes
    damaged_bytes: int  # bytes of the files that belong to no whole record
    notes: list[str]  # what the probes, sinks and readers had to say
    processes: list[Process]  # the session's first process, then its workers


class Resident(Result, kw_only=True):
    """RSS over a phase, inner phases included. `before`, `after` and `peak` are absolute."""

    before_bytes: int  # RSS when the phase's first run began
    after_bytes: int  # RSS when its latest run ended
    delta_bytes: int  # after less before, added up over the runs
    peak_bytes: int  # the largest RSS during any run
    tracer_bytes: int = 0  # of the delta: what probes left resident at the edges of phases inside this one


class Frame(Result, omit_defaults=True):
    """One frame of a stack."""

    function: str  # its name, demangled; "<unknown>" where its library has no symbol for it
    file: str  # as the interpreter or the debug information names it; "" where it is not known
    line: int  # 0 where it is not known
    library: str | None = None  # of a C or C++ frame, such as "libtorch_cpu.so"; absent for Python's


class NativeSite(Result, kw_only=True):
    """One stack that allocated."""

    live_bytes: int  # not freed when the capture ended
    allocated_bytes: int  # all that it asked for
    allocations: int  # how often
    library: str | None  # the shared library that called the allocator; None without native frames
    stack: list[Frame]  # innermost first
    at_peak_bytes: int = 0  # live when the phase's own live bytes were at their peak
    operator: str | None = None  # torch's operator that asked, such as "aten::mm", where native frames tell
    package: str | None = None  # the installed package of the innermost Python frame that is in one
    caller: Frame | None = None  # the innermost frame of the program's own code


class NativeTotals(Result, kw_only=True):
    """What memray's capture says of a phase; see the field list in docs/report.md."""

    allocated_bytes: int = 0  # all that was asked for, mappings of files too
    allocations: int = 0  # how often
    freed_bytes: int = 0  # freed while the phase ran, whoever had allocated it
    held_bytes: int = 0  # allocated by the phase and not freed when it ended
    live_bytes: int = 0  # allocated by the phase and not freed when the capture ended
    peak_bytes: int = 0  # the most of its own that was live at once
    file_backed_bytes: int = 0  # mapped from files, not unmapped when the capture ended; not in `live_bytes`


class Native(NativeTotals, kw_only=True):
    """The phase's own allocations, inner phases left out, so that the rows add up to the capture's totals."""

    including_inner: NativeTotals  # the same figures with the inner phases in
    top: list[NativeSite]  # the stacks that hold most
    ambient_bytes: int = 0  # of the allocated: asked for by threads with no phase of their own
    ambient_allocations: int = 0  # how often they did
    reserved_bytes: int = 0  # of the live: address space that may not be touched (PROT_NONE), so holds no memory
    temporary_bytes: int = 0  # of the allocated: freed before the run of the phase ended that asked for it
    freed_later: dict[str, int] = {}  # of the held: freed afterwards, by the path of the phase that did it
    at_peak: list[NativeSite] = []  # the stacks that made up most of the peak
    by_package: dict[str, int] = {}  # live bytes by whose Python code asked; "" is the sum of many small stacks
    by_library: dict[str, int] = {}  # the same by whose C or C++ code asked, where native frames were recorded


class HeapSite(Result, kw_only=True):
    """One line of the program and what tracemalloc holds against it."""

    file: str  # of the line
    line: int  # its number
    size_bytes: int  # held when the phase ended
    delta_bytes: int  # change over the phase
    count: int  # blocks held when it ended
    delta_count: int  # change of that


class HeapPackage(Result, kw_only=True):
    """One package and what tracemalloc holds against its lines."""

    package: str  # its name
    size_bytes: int  # held when the phase ended
    delta_bytes: int  # change over the phase
    count: int  # blocks held when it ended
    delta_count: int  # change of that


class HeapLine(Result, kw_only=True):
    """One frame of a stack that tracemalloc kept; it keeps no function's name."""

    file: str  # of the frame
    line: int  # its line


class HeapStack(Result, kw_only=True):
    """One stack and what tracemalloc holds against it."""

    stack: list[HeapLine]  # innermost first
    size_bytes: int  # held when the phase ended
    delta_bytes: int  # change over the phase
    count: int  # blocks held when it ended
    delta_count: int  # change of that


class PythonHeap(Result, kw_only=True):
    """tracemalloc over a phase, inner phases included."""

    delta_bytes: int  # change of what tracemalloc traces
    peak_bytes: int  # the most that it traced at once
    top: list[HeapSite]  # by growth, over the runs that were looked at line by line
    detailed_calls: int = 0  # how many runs those were
    largest: list[HeapSite] = []  # by size, when the latest of them ended
    packages: list[HeapPackage] = []  # by growth
    stacks: list[HeapStack] = []  # by growth; empty where tracemalloc keeps one frame
    largest_packages: list[HeapPackage] = []  # by size, when the latest of the runs looked at line by line ended
    largest_stacks: list[HeapStack] = []  # the same; empty where tracemalloc keeps one frame


class TypeGrowth(Result, kw_only=True):
    """One type and how its instances changed."""

    type: str  # module and qualified name
    delta_count: int  # change over the phase
    delta_bytes: int  # change of their shallow sizes
    count: int = 0  # when the latest run ended
    size_bytes: int = 0  # of those


class Objects(Result, kw_only=True):
    """The census over a phase, inner phases included."""

    delta_count: int  # change of the number of live objects
    delta_bytes: int  # change of their shallow sizes
    top: list[TypeGrowth]  # the types that grew most
    calls: int = 0  # runs of the phase that had a census


class TensorGroup(Result, kw_only=True):
    """Storages that are alike."""

    library: str
    dtype: str
    device: str
    role: str  # "parameter", "buffer", "gradient", "optimizer" or "other"
    backing: str  # "private", "file" or "shared"
    count: int
    size_bytes: int
    delta_bytes: int


class TensorStorage(Result, kw_only=True):
    """One storage among the largest."""

    owner: str  # the module path, such as "encoder.layer.3.weight"; "" where no live module owns it
    model: str
    library: str
    dtype: str
    device: str
    role: str
    backing: str
    shape: list[int]
    size_bytes: int
    aliases: list[str] = []


class Accelerator(Result, kw_only=True):
    """One accelerator's allocator, as torch tells."""

    device: str
    allocated_bytes: int
    delta_allocated_bytes: int
    reserved_bytes: int
    peak_allocated_bytes: int


class Tensors(Result, kw_only=True):
    """Live tensors and arrays at a phase's end, each storage counted once."""

    live_bytes: int  # in this process's memory; what is on an accelerator is in `groups` and `accelerators`
    delta_bytes: int
    by_dtype: dict[str, int]  # of live_bytes
    file_backed_bytes: int
    storages: int = 0
    calls: int = 0  # runs of the phase that had a census
    by_role: dict[str, int] = {}  # of live_bytes
    groups: list[TensorGroup] = []
    top: list[TensorStorage] = []
    accelerators: list[Accelerator] = []


class Collector(Result, kw_only=True):
    """The garbage collector over a phase, inner phases included."""

    runs: list[int]  # by generation
    wall_ns: int
    collected: int
    uncollectable: int
    full_collections: int = 0  # those that the tracer made after the phase, to see what only they give back
    returned_bytes: int = 0  # RSS that came back by them
    returned_objects: int = 0
    returned_heap_bytes: int | None = None  # of what tracemalloc traces; None where it was off


class PhaseRow(PhaseResult, kw_only=True):
    """All runs of the phases of one path in one process."""

    pid: int  # of the process
    calls: int  # runs that began
    errors: int  # runs that an exception ended
    wall_ns: int  # time from begin to end, added up over the runs
    resident: Resident | None  # None only for a phase that a capture tells of and the trace does not
    native: Native | None = None  # the probe `native`
    python_heap: PythonHeap | None = None  # the probe `python_heap`
    objects: Objects | None = None  # the probe `objects`
    tensors: Tensors | None = None  # the probe `tensors`
    error_types: dict[str, int] = {}  # how often each type of exception ended it
    attributes: dict[str, str | int | float | bool] = {}  # of its first run
    open_calls: int = 0  # runs that had not ended when the records stop
    collector: Collector | None = None


class Import(Result, kw_only=True):
    """One imported module."""

    module: str  # its full name
    parent: str | None  # the module whose import statement brought it in; None for the program's own
    own_bytes: int  # RSS change less that of the modules it imported
    cumulative_bytes: int  # RSS change while it was imported
    wall_ns: int  # with all that it imported first, as `cumulative_bytes`
    own_ns: int = 0  # less that of the modules it imported
    phase: str = ""  # where it was imported first
    chain: list[str] = []  # the modules through which it came, the outermost first; it itself is not among them
    asked_by: str = ""  # "module:line" of the import statement that began the chain
    file: str | None = None  # where its code is
    error: str | None = None  # it failed to import: the exception's type
    loads: int = 1  # how often its code ran


class ImportPackage(Result, kw_only=True):
    """All modules of one top-level package."""

    package: str  # its name
    own_bytes: int  # the sum over its modules
    own_ns: int  # the sum over its modules
    modules: int  # how many
    phase: str  # where the first of its modules was imported
    chain: list[str]  # the modules through which that came
    asked_by: str = ""  # "module:line" of the import statement that began the chain


class ImportPhase(PhaseResult, kw_only=True):
    """What the imports account for in the RSS change of a phase that imported something, inner phases included."""

    modules: int  # how many were imported in it
    imported_bytes: int  # the sum of the modules' own
    rss_delta_bytes: int  # of the phase
    unaccounted_bytes: int  # what RSS changed by while no import was open


class LedgerItem(Result, kw_only=True):
    """A part of a change in RSS."""

    category: str  # what kind of memory
    owner: str  # whose
    bytes: int  # how much of the change
    private_bytes: int = 0  # of it, in no other process's map
    evictable_bytes: int = 0  # of it, clean pages of files, which the kernel takes back when it needs to
    anonymous_bytes: int = 0  # of it, pages of no file: every worker has to have its own


class Ledger(PhaseResult, kw_only=True):
    """What a phase's change in RSS consists of: the items and `unexplained_bytes` add up to `rss_delta_bytes`."""

    rss_delta_bytes: int  # of the phase
    unexplained_bytes: int  # anonymous memory without a name, and the change over runs that were not read
    items: list[LedgerItem]  # the parts
    pid: int = 0  # of the process
    calls: int = 0  # runs of the phase
    read_calls: int = 0  # of these, runs at both of whose edges the mappings were read
    unread_bytes: int = 0  # part of `unexplained_bytes`: the change over the other runs


class Composition(Result, kw_only=True):
    """What RSS consisted of at one time: the items and `unexplained_bytes` add up to `rss_bytes`."""

    pid: int  # of the process
    moment: Literal["begin", "largest", "end"]  # of the session; "largest": of those that were read
    path: str  # the phase at whose edge it was read
    rss_bytes: int  # RSS then
    unexplained_bytes: int  # anonymous memory without a name
    items: list[LedgerItem]  # the parts


class Workers(Result, kw_only=True):
    """What a number of workers like this process would take together."""

    workers: int  # how many
    once_bytes: int  # pages of files and shared memory: one copy for all
    each_bytes: int  # anonymous memory, a copy a worker
    total_bytes: int  # once, and each times their number
    sum_of_rss_bytes: int  # what adding up the workers' RSS would say
    pid: int = 0  # of the process that they are like


class HolderStep(Result, kw_only=True):
    """One object of a chain of references."""

    type: str
    link: str  # how the object before it refers to this one; "" for the first
    name: str = ""


class Holder(Result, kw_only=True):
    """What keeps an object of a growing type alive."""

    type: str
    count: int
    delta_count: int
    path: str
    root: str  # "module", "cycle", "unseen" or ""
    chain: list[HolderStep]  # from the root to the object
    words: str  # the same as a sentence
    note: str = ""


class Growth(PhaseResult, kw_only=True):
    """The trend over the calls of a phase."""

    calls: int
    slope_bytes_per_call: float  # in `unit`
    low: float
    high: float
    verdict: Literal["flat", "growing", "saturating", "too few calls"]
    metric: str = "rss"  # "native", "python_heap", "objects" or "tensors"
    unit: Literal["bytes", "objects"] = "bytes"
    warm_up_calls: int = 0  # left out at the start
    types: list[TypeGrowth] = []  # those that grew in the phase, where there was a census
    sites: list[HeapSite] = []  # the lines that grew, where tracemalloc was on
    held_by: list[Holder] = []
    pid: int = 0


class Advice(Result, kw_only=True):
    """Something to do, and what it saves."""

    title: str  # what to do
    saves_bytes: int  # how much
    basis: Literal["measured", "computed"]  # "measured": tried out; "computed": from figures of this trace
    evidence: str  # the figures it comes from
    phase: str  # where


class Budget(Result, kw_only=True):
    """The peak against a limit."""

    limit_bytes: int  # the limit
    peak_bytes: int  # the largest peak RSS of a process
    exceeded: bool  # whether the peak is over the limit


class Overhead(Result, kw_only=True):
    """What a probe itself cost, over the whole session."""

    pid: int  # of the process
    probe: str  # its name
    wall_ns: int  # time it took at phase edges, start and stop
    rss_bytes: int  # RSS it left behind


class TimelinePoint(Result, kw_only=True):
    """One sample of RSS."""

    pid: int  # of the process
    at_ns: int  # since the first process's session began
    rss_bytes: int  # RSS then
    phase: str  # the innermost phase that had begun and not ended


class TraceReport(Result, kw_only=True):
    """Everything a report is made of."""

    format: str = REPORT_FORMAT  # always the same
    version: int = REPORT_VERSION  # of this page
    trace: TraceInfo  # where the figures come from
    phases: list[PhaseRow]  # a row for each phase path and process
    imports: list[Import] | None = None  # a row a module; the probe `imports`
    ledger: list[Ledger] | None = None  # a row a phase; the probe `mappings`
    import_packages: list[ImportPackage] | None = None  # a row a package
    import_phases: list[ImportPhase] | None = None  # a row for each phase that imported
    composition: list[Composition] | None = None  # RSS at three moments; the probe `mappings`
    workers: list[Workers] | None = None  # several processes like the session's first one; the probe `mappings`
    growth: list[Growth] | None = None  # a row for each trend
    advice: list[Advice] = []  # what to do, computed from this trace
    budget: Budget | None = None  # None where no limit was given
    overhead: list[Overhead] = []  # what the probes themselves cost
    timeline: list[TimelinePoint] = []  # RSS over time, thinned out
    suite: Suite | None = None  # the component suite; None where none was run
