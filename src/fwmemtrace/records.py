"""The records of a trace: one class for each kind, and the version of the schema that they belong to.

A record is written as a MessagePack array of its fields in the order of the class (`array_like`). New fields are added
at the end, with a default: an older reader ignores them, a newer one fills them in. The number of a kind is never
reused. All sizes are in bytes, and all times in nanoseconds of the monotonic clock unless the name says otherwise.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import msgspec

__all__ = [
    "SCHEMA_VERSION",
    "AcceleratorMemory",
    "AddressSpaceLimit",
    "AllocatorFigures",
    "AttributeValue",
    "CallTotals",
    "CaptureChunk",
    "CgroupReading",
    "Collections",
    "Footprint",
    "FullCollection",
    "HeapRow",
    "HolderStep",
    "MappedLibrary",
    "MappingRow",
    "MappingsEdge",
    "MappingsReading",
    "ModuleImport",
    "Note",
    "ObjectCensus",
    "ObjectHolder",
    "ObjectRow",
    "Overhead",
    "PackageRow",
    "PagesCopied",
    "PhaseAttributes",
    "PhaseBegin",
    "PhaseEnd",
    "PoolFigures",
    "PythonHeap",
    "Record",
    "RssChange",
    "Sample",
    "SampledStack",
    "SessionBegin",
    "SessionEnd",
    "Snapshot",
    "StackRow",
    "SuiteAnswers",
    "SuiteArray",
    "SuiteArrays",
    "SuiteBegin",
    "SuiteChange",
    "SuiteDeferred",
    "SuiteMember",
    "SuiteModel",
    "SuiteModelWay",
    "SuiteMove",
    "SuiteRun",
    "SuiteTwin",
    "SuiteUse",
    "TensorCensus",
    "TensorRow",
    "TensorStorage",
    "ThreadStack",
    "TracePart",
    "UnmeasuredCalls",
]

SCHEMA_VERSION = 1

AttributeValue: TypeAlias = str | int | float | bool


class Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The base class of records. `kind` is the number of the class in a frame of the trace file."""

    kind: ClassVar[int] = 0


class SessionBegin(Record, frozen=True, gc=False):
    """A session started in this process; always the first record of a trace."""

    kind: ClassVar[int] = 1

    schema: int
    session_id: str  # the same in all processes of the session
    pid: int
    parent_pid: int
    version: str  # of fwmemtrace
    python: str
    platform: str
    command: list[str]
    started_unix_ns: int
    time_ns: int
    rss_bytes: int  # before anything was measured
    peak_rss_bytes: int  # the high-water mark of the process until then
    peak_source: str  # how peaks are found: "kernel" is exact, "sampled" takes the largest reading
    probes: list[str]
    settings: dict[str, str]
    service: str = ""  # the name of the service that the process belongs to
    instance: str = ""  # which instance of the service it is
    labels: dict[str, str] = {}  # further facts about the process, such as its version or region
    host: str = ""  # the name of the machine, by uname(2)
    family: str = ""  # the same in processes that one process forked; see `system.family`
    counter_slack_bytes: int = 0  # how far RSS and its peaks may be from the page tables; 0 if they are exact


class PhaseBegin(Record, frozen=True, gc=False):
    """A phase begins. Written at once, so that the trace of a killed process names the phase that was running."""

    kind: ClassVar[int] = 2

    span: int  # the id of this run of the phase, unique in the process
    parent: int  # the id of the enclosing span; 0 if there is none
    name: str
    thread_id: int
    time_ns: int
    rss_bytes: int
    attributes: dict[str, AttributeValue] | None = None


class PhaseEnd(Record, frozen=True, gc=False):
    """A phase ended: the last record of its span."""

    kind: ClassVar[int] = 3

    span: int
    time_ns: int
    rss_bytes: int
    peak_rss_bytes: int
    error: str | None = None  # the qualified name of the type of the exception that ended it


class PhaseAttributes(Record, frozen=True, gc=False):
    """Attributes that a phase got while it ran, such as the status of the response to a request."""

    kind: ClassVar[int] = 15

    span: int
    attributes: dict[str, AttributeValue]


class Sample(Record, frozen=True, gc=False):
    """A point of the timeline."""

    kind: ClassVar[int] = 4

    time_ns: int
    rss_bytes: int
    vms_bytes: int


class Footprint(Record, frozen=True, gc=False):
    """A reading of /proc/self/smaps_rollup at an edge of an outermost phase, slower to get than RSS alone."""

    kind: ClassVar[int] = 5

    span: int
    edge: str  # "begin" or "end"
    time_ns: int
    rss_bytes: int
    vms_bytes: int
    uss_bytes: int
    pss_bytes: int
    swap_bytes: int


class CgroupReading(Record, frozen=True, gc=False):
    """The figures of the control group, by which the kernel decides to kill for memory."""

    kind: ClassVar[int] = 6

    time_ns: int
    current_bytes: int
    peak_bytes: int | None  # since the group was created; None if the kernel does not report it
    limit_bytes: int | None  # the smallest limit of the group and of the visible groups around it; None for no limit
    limit_group: str = ""  # the enclosing group that has this limit; "" if it is the group's own
    limit_current_bytes: int | None = None  # the memory of that enclosing group, other processes included


class AddressSpaceLimit(Record, frozen=True, gc=False):
    """The limit of the address space, at which allocations fail. Written if there is one, and when it changes."""

    kind: ClassVar[int] = 16

    time_ns: int
    limit_bytes: int | None  # RLIMIT_AS; None if there is no longer one
    used_bytes: int  # the address space, as in `Sample`


class HeapRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Memory that tracemalloc attributes to a line of source code."""

    file: str
    line: int
    size_bytes: int
    delta_bytes: int
    count: int
    delta_count: int


class PackageRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Memory that tracemalloc attributes to the lines of a package."""

    package: str
    size_bytes: int
    delta_bytes: int
    count: int
    delta_count: int


class StackRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Memory that tracemalloc attributes to a stack."""

    frames: list[tuple[str, int]]  # file and line, innermost first
    size_bytes: int
    delta_bytes: int
    count: int
    delta_count: int


class PythonHeap(Record, frozen=True, gc=False):
    """The Python heap over one phase, by tracemalloc: its growth, its peak, and the lines that grew most."""

    kind: ClassVar[int] = 7

    span: int
    before_bytes: int
    after_bytes: int
    peak_bytes: int
    top: list[HeapRow]  # by growth
    detailed: bool = True  # False if the lines of this run were not read: the lists are empty then
    largest: list[HeapRow] = []  # by size when the phase ended
    packages: list[PackageRow] = []  # by growth
    stacks: list[StackRow] = []  # by growth; only if tracemalloc records more than one frame
    largest_packages: list[PackageRow] = []  # by size when the phase ended
    largest_stacks: list[StackRow] = []  # the same; only if tracemalloc records more than one frame


class ObjectRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The live objects of a type."""

    type: str
    count: int
    size_bytes: int
    delta_count: int
    delta_bytes: int


class ObjectCensus(Record, frozen=True, gc=False):
    """The live Python objects at the end of a phase, and how they changed over it."""

    kind: ClassVar[int] = 8

    span: int
    count: int
    size_bytes: int
    delta_count: int
    delta_bytes: int
    top: list[ObjectRow]


class Overhead(Record, frozen=True, gc=False):
    """What a probe cost at the edges of a phase: time, and the change in RSS."""

    kind: ClassVar[int] = 9

    span: int  # 0 for the start and stop of the session, for tables of the probe's tool, and for the sum of small costs
    probe: str
    wall_ns: int
    rss_bytes: int
    stopping: bool = False  # at the stop, after the last reading of RSS


class Note(Record, frozen=True, gc=False):
    """Something that readers of the report should know, such as a probe that cannot work here."""

    kind: ClassVar[int] = 10

    time_ns: int
    source: str  # the name of the probe or sink, or "session"
    message: str


class CaptureChunk(Record, frozen=True, gc=False):
    """A part of another tool's file, moved into the trace when the session was stopped."""

    kind: ClassVar[int] = 11

    tool: str  # "memray", or "heap" for the tables of the sampled heap
    offset: int
    total: int  # of the whole file
    data: bytes


class SessionEnd(Record, frozen=True, gc=False):
    """The session was stopped. A trace without this record is of a process that runs, crashed or was killed."""

    kind: ClassVar[int] = 12

    time_ns: int
    rss_bytes: int
    peak_rss_bytes: int  # of the whole session
    lost_records: int
    errors: dict[str, int] = {}  # the number of exceptions that each probe raised, by name


class UnmeasuredCalls(Record, frozen=True, gc=False):
    """Calls of a phase that have no records of their own: in production mode, hot phases are sampled."""

    kind: ClassVar[int] = 13

    path: list[str]  # names of the phase and of those around it, outermost first
    calls: int  # that have ended since the last record of this kind and path
    wall_ns: int  # summed over them
    errors: dict[str, int]  # number of calls by the type of the exception that ended them


class TracePart(Record, frozen=True, gc=False):
    """A further part of a trace begins: the first record of its file. There are parts if `max_trace_size` is set.

    The next `repeated` records are about the parts before, for the case that some were dropped: ends of phases that
    the first part began, phases that are open, and `CallTotals`. A reader that has read the part before skips them.
    """

    kind: ClassVar[int] = 18

    session_id: str
    pid: int
    session_ns: int  # `time_ns` of the session's first record
    number: int  # the first part is 1
    time_ns: int
    records: int  # of the session until now
    first_records: int  # of them, those in the first part
    repeated: int


class CallTotals(Record, frozen=True, gc=False):
    """All calls of a phase that have ended until now, repeated at the beginning of a part of a trace."""

    kind: ClassVar[int] = 19

    path: list[str]  # names of the phase and of those around it, outermost first
    calls: int
    wall_ns: int  # summed over them
    errors: dict[str, int]  # number of calls by the type of the exception that ended them


class ThreadStack(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Where a thread is."""

    name: str
    frames: list[tuple[str, str, int]]  # function, file and line, innermost first


class Snapshot(Record, frozen=True, gc=False):
    """Where all threads are at one moment: on demand, or because memory is about to run out."""

    kind: ClassVar[int] = 14

    time_ns: int
    reason: str
    rss_bytes: int
    limit_bytes: int | None  # the limit in force, if that is the reason
    threads: list[ThreadStack]


class MappedLibrary(Record, frozen=True, gc=False):
    """A shared library that is mapped; recorded with native traces, whose function names depend on it."""

    kind: ClassVar[int] = 20

    path: str
    build: str | None  # its GNU build ID, or else its size in words; None if it was replaced or cannot be read


class ModuleImport(Record, frozen=True, gc=False):
    """A module was imported or reloaded, or failed to be."""

    kind: ClassVar[int] = 40

    span: int
    module: str
    parent: str | None  # the module that imports it, while being imported itself; None if there is none
    asked_by: str  # "module:line" of the import statement, if `parent` is None
    depth: int  # the number of imports around it in its thread
    thread_id: int
    time_ns: int  # when it began
    own_bytes: int  # the change in RSS while this module's own code ran
    cumulative_bytes: int  # including the modules that it imported first
    own_ns: int
    cumulative_ns: int
    file: str | None = None
    error: str | None = None  # the exception's type
    reload: bool = False
    own_file: str = ""  # the nearest line of the program's own code that led to it; "" for the same as `parent`'s
    own_line: int = 0


class MappingRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The resident pages of one owner; proc_pid_smaps(5) describes the figures."""

    category: str  # one of those in probes/mappings/owners.py
    owner: str
    rss_bytes: int
    pss_bytes: int  # pages shared with other processes are divided among them
    private_bytes: int  # mapped by no other process
    evictable_bytes: int  # clean pages of files, which the kernel can take back at any time
    anonymous_bytes: int  # not of a file: each process needs its own, except for pages unchanged since a fork


class PoolFigures(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The figures of a memory pool that a package keeps for itself, as its own functions report them."""

    owner: str  # such as "Arrow"
    allocator: str  # that the pool takes its memory from, such as "mimalloc"
    in_use_bytes: int
    peak_bytes: int  # the most that was in use


class AllocatorFigures(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The figures of the allocators; None if an allocator cannot be asked."""

    malloc_in_use_bytes: int | None = None  # mallinfo2's uordblks: in arenas, all threads
    malloc_mapped_bytes: int | None = None  # its hblkhd: blocks with a mapping of their own
    python_arena_bytes: int | None = None  # of _PyObject_DebugMallocStats
    python_in_use_bytes: int | None = None  # objects in those arenas
    tracemalloc_bytes: int | None = None  # its tables, which are in malloc's heap
    other: str | None = None  # an allocator that replaces malloc, such as "jemalloc"
    other_in_use_bytes: int | None = None
    other_held_bytes: int = 0  # what it has from the kernel and has not returned
    pools: list[PoolFigures] = []


class MappingsReading(Record, frozen=True, gc=False):
    """The owners of the resident pages at one time. The rows add up to the Rss of /proc/self/smaps."""

    kind: ClassVar[int] = 41

    reading: int  # unique in the process
    time_ns: int
    wall_ns: int  # the time that the reading took
    rss_bytes: int  # as phases read it, at the same time
    rows: list[MappingRow]  # empty if those of an earlier reading are still valid
    allocators: AllocatorFigures
    rows_of: int = 0  # the reading that has the rows: this one or an earlier one
    threads: int = 0  # of the process, those of native libraries too; 0 if not known
    untouched_bytes: int = 0  # writable memory that is mapped and not resident; no allocator's, no thread's stack


class MappingsEdge(Record, frozen=True, gc=False):
    """The reading that is valid for an edge of a phase."""

    kind: ClassVar[int] = 42

    span: int
    edge: str  # "begin" or "end"
    reading: int


class RssChange(Record, frozen=True, gc=False):
    """RSS has changed since the record of this kind before it, other than by imports that a probe measures.

    All of them add up to the change of RSS over the session, less that of the imports.
    """

    kind: ClassVar[int] = 60

    time_ns: int
    rss_bytes: int  # after the change
    delta_bytes: int
    thread_id: int  # the thread that most likely made it rise; 0 if it fell, or if no thread is known
    stack: int  # what that thread was running, a number of `SampledStack`; 0 for none


class SampledStack(Record, frozen=True, gc=False):
    """A Python stack that was running while RSS rose."""

    kind: ClassVar[int] = 61

    stack: int  # its number, unique in the process
    frames: list[tuple[str, str, int]]  # qualified name, file and line; innermost first


class PagesCopied(Record, frozen=True, gc=False):
    """A forked process has copied pages that it shared, by writing to them. That leaves RSS as it is.

    Estimated as page faults that made RSS rise by nothing. Which pages are private is known from the probe `mappings`.
    """

    kind: ClassVar[int] = 62

    time_ns: int
    bytes: int
    thread_id: int  # the thread that most likely wrote to them
    stack: int  # what that thread was running, a number of `SampledStack`


class SuiteBegin(Record, frozen=True, gc=False):
    """A suite of components begins. Only in the trace of the suite's own process."""

    kind: ClassVar[int] = 50

    file: str  # the suite file or module
    repeat: int
    timeout_ns: int  # 0: none
    memory_limit_bytes: int  # 0: none
    limited_by: str  # "cgroup" or "RLIMIT_AS"; "" without a limit
    budget_bytes: int  # 0: none
    bare_rss_bytes: int  # of an interpreter that imports and runs nothing
    measure: str = "rss"  # what the budget limits: "rss" or "unevictable"
    least_agreement: float = 0.99  # cosine similarity of outputs that another way to run a model needs to be a lever


class SuiteMember(Record, frozen=True, gc=False):
    """A component of the suite, in the order of the suite file."""

    kind: ClassVar[int] = 51

    name: str
    position: int
    inputs: int
    batch: int  # the number of requests in the phase `batch`
    variants: list[str]
    problem: str = ""  # why it cannot be run; "" if it can


class SuiteChange(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A change to the service that a process of the suite tries."""

    kind: str  # "variant", "move import", "defer import", "variable", "option", "share", "trim", "split", "model"
    component: str  # "" for all of them
    subject: str  # a variant, "file:line" of an import, a module, "NAME=value", an option, "model: way"


class SuiteRun(Record, frozen=True, gc=False):
    """A process of the suite has ended: its purpose and its outcome."""

    kind: ClassVar[int] = 52

    pid: int  # its trace is the worker's trace of that pid; 0 if it has none
    component: str  # "" for the process that ran all components together
    purpose: str  # "resident", "native", "python", "use", "together", "variant", "deferred", "arenas", "trial", "plan"
    repetition: int
    variant: str  # the variant's name, or the module that was deferred
    outcome: str  # "ok", "raised", "timed out", "killed", "out of memory", "left"
    phase: str  # the phase in which it ended; "" if it was "ok"
    message: str
    wall_ns: int
    changes: list[SuiteChange] = []  # what it changed, in a trial or a run of the plan


class SuiteUse(Record, frozen=True, gc=False):
    """The modules that the requests of a component used."""

    kind: ClassVar[int] = 53

    ran: list[str]  # modules with a function that was called
    read: list[str]  # modules with an attribute that was read, except by `from ... import` at import time
    requests: int
    options: dict[str, list[str]] | None = None  # options that would change something, with what; None: not watched


class SuiteArray(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The storages of tensors or arrays of one element type."""

    library: str  # "torch", "numpy" or "python"
    dtype: str
    item_bytes: int
    count: int
    bytes: int
    resident_bytes: int
    private_bytes: int  # resident, and neither shared nor a clean page of a file
    parameters: bool  # whether they belong to a torch module


class SuiteTwin(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Storages with identical contents."""

    library: str
    dtype: str
    shape: list[int]
    copies: int
    bytes: int  # of one copy
    extra_bytes: int  # private resident bytes of all copies but one
    names: list[str]  # if known: the paths of the parameters in their models, or the variables or keys of arrays


class SuiteArrays(Record, frozen=True, gc=False):
    """The live tensors and arrays after the requests, each storage counted once, and those with identical contents."""

    kind: ClassVar[int] = 54

    arrays: list[SuiteArray]
    twins: list[SuiteTwin]


class SuiteDeferred(Record, frozen=True, gc=False):
    """Modules whose import was deferred until an attribute is read, and those of them that were loaded after all."""

    kind: ClassVar[int] = 55

    asked: list[str]
    loaded: dict[str, str]  # the phase in which each was loaded
    put_off: list[str] = []  # those that the component imported; a module written in C cannot be deferred


class SuiteMove(Record, frozen=True, gc=False):
    """An import statement of the program that a trial moved to where it is used, or removed."""

    kind: ClassVar[int] = 56

    file: str
    line: int
    statement: str  # its source
    into: list[str]  # "function:line" of each function that uses what it imports; [] if nothing does
    problem: str = ""  # why it cannot be moved; "" if it was


class SuiteModelWay(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One way to run a model, in a process of its own, on the calls that its component made."""

    way: str
    problem: str  # why it does not work; "" if it does
    held_bytes: int = 0  # RSS with the model loaded and the calls answered, less that of the bare process
    peak_bytes: int = 0  # the highest RSS, less the same
    call_ns: int = 0  # the median time of a call
    largest_difference: float = 0.0  # between an output and that of the model as it is
    cosine: float = 0.0  # the smallest cosine similarity of an output to that of the model as it is


class SuiteModel(Record, frozen=True, gc=False):
    """A torch model that a component calls, and the ways to run it that were tried."""

    kind: ClassVar[int] = 57

    component: str
    name: str  # its class
    parameters: int
    bytes: int  # of its parameters and buffers
    dtype: str
    calls: int
    ways: list[SuiteModelWay]


class SuiteAnswers(Record, frozen=True, gc=False):
    """The answers of a component, or of a variant, to its first requests."""

    kind: ClassVar[int] = 58

    numbers: list[list[float]]  # the numbers of each answer; [] where it is none
    texts: list[str]  # an answer that is no number, as text; "" for one that cannot be compared


class HolderStep(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An object in a chain of references."""

    type: str
    link: str  # how the object before it refers to this one, such as ".cache" or "[3]"; "" for the first
    name: str = ""  # of a module, function or class


class ObjectHolder(Record, frozen=True, gc=False):
    """What keeps an object of a growing type alive: the shortest chain of references to it when the session ended."""

    kind: ClassVar[int] = 30

    type: str
    count: int  # live objects of the type then
    delta_count: int  # their growth over the runs of phases, except the first run of each path
    path: str  # of the phase in which they grew most
    root: str  # "module"; "cycle": nothing outside refers to it; "unseen": a local variable or C code; "": not found
    chain: list[HolderStep]  # from the root to the object
    note: str = ""


class TensorRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Storages that have these properties in common."""

    library: str  # "torch", "numpy" or "python"
    dtype: str
    device: str
    role: str  # "parameter", "buffer", "gradient", "optimizer" or "other"
    backing: str  # "private", "file": mapped from one; "shared": with other processes
    count: int
    size_bytes: int
    delta_bytes: int


class TensorStorage(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One of the largest storages."""

    library: str
    dtype: str
    device: str
    role: str
    backing: str
    owner: str  # such as "encoder.layer.3.weight"; "" if no live module owns it
    model: str  # the class of the outermost module that owns it
    shape: list[int]
    size_bytes: int
    aliases: list[str] = []  # other names of the same storage: tied weights


class TensorCensus(Record, frozen=True, gc=False):
    """The live tensors and arrays at the end of a phase, each storage counted once, and how they changed over it."""

    kind: ClassVar[int] = 31

    span: int
    live_bytes: int  # in the memory of this process: without storages on accelerators and on "meta"
    delta_bytes: int
    file_backed_bytes: int  # of live_bytes
    storages: int
    rows: list[TensorRow]
    top: list[TensorStorage]
    unreadable: int = 0  # tensors that could not be inspected


class AcceleratorMemory(Record, frozen=True, gc=False):
    """The figures of torch's caching allocator of one accelerator at the end of a phase."""

    kind: ClassVar[int] = 32

    span: int
    device: str
    allocated_bytes: int
    delta_allocated_bytes: int
    reserved_bytes: int
    peak_allocated_bytes: int  # since the process began or last reset it


class Collections(Record, frozen=True, gc=False):
    """What the garbage collector did in one phase."""

    kind: ClassVar[int] = 33

    span: int
    runs: list[int]  # by generation
    wall_ns: int
    collected: int  # objects
    uncollectable: int


class FullCollection(Record, frozen=True, gc=False):
    """A full collection that the probe `collector` made after an outermost phase, and what it freed."""

    kind: ClassVar[int] = 34

    span: int
    wall_ns: int
    collected: int
    uncollectable: int
    rss_before_bytes: int
    rss_after_bytes: int
    heap_bytes: int | None  # freed in the Python heap; None if tracemalloc is off


def kinds() -> dict[int, type[Record]]:
    """Return every record class by its number, as in the frames of a trace file."""
    return {cls.kind: cls for cls in _subclasses(Record)}


def _subclasses(base: type[Record]) -> list[type[Record]]:
    return [cls for direct in base.__subclasses__() for cls in (direct, *_subclasses(direct))]
