"""Every kind of record: one typed, immutable fact each, and the schema version they belong to.

A record travels as a MessagePack array of its fields in this order (`array_like`). New fields go to the end and have a
default: an older reader passes over them, a newer one fills them in. A kind's number is never used for anything else.
All sizes are bytes, all times nanoseconds of the monotonic clock unless a name says otherwise.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import msgspec

SCHEMA_VERSION = 1

AttributeValue: TypeAlias = str | int | float | bool


class Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The base of every record. `kind` is the number that stands for the class in a frame of trace.bin."""

    kind: ClassVar[int] = 0


class SessionBegin(Record, frozen=True, gc=False):
    """A session was switched on in this process; always a trace's first record."""

    kind: ClassVar[int] = 1

    schema: int
    session_id: str  # the same in every process of one session: workers inherit it
    pid: int
    parent_pid: int
    version: str  # of fwmemtrace
    python: str
    platform: str
    command: list[str]
    started_unix_ns: int
    time_ns: int
    rss_bytes: int  # what was resident before anything was measured
    peak_rss_bytes: int  # the process's high-water mark until then
    peak_source: str  # "kernel": exact; "sampled": the largest of the readings
    probes: list[str]
    settings: dict[str, str]
    service: str = ""  # the name of the service that the process belongs to
    instance: str = ""  # which instance of the service it is
    labels: dict[str, str] = {}  # further facts about the process, such as its version or region


class PhaseBegin(Record, frozen=True, gc=False):
    """A phase begins. Written at once, so that a killed process leaves the name of where it was."""

    kind: ClassVar[int] = 2

    span: int  # this one run of the phase; unique in the process
    parent: int  # the enclosing run, 0 where there is none
    name: str
    thread_id: int
    time_ns: int
    rss_bytes: int
    attributes: dict[str, AttributeValue] | None = None


class PhaseEnd(Record, frozen=True, gc=False):
    """A phase ended: the last record that names its span."""

    kind: ClassVar[int] = 3

    span: int
    time_ns: int
    rss_bytes: int
    peak_rss_bytes: int
    error: str | None = None  # the qualified name of the exception's type


class Sample(Record, frozen=True, gc=False):
    """One point of the timeline."""

    kind: ClassVar[int] = 4

    time_ns: int
    rss_bytes: int
    vms_bytes: int


class Footprint(Record, frozen=True, gc=False):
    """What smaps_rollup tells at an edge of an outer phase (a fuller reading than RSS, and a slower one)."""

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
    """The control group's own count, the one that its out-of-memory killer goes by."""

    kind: ClassVar[int] = 6

    time_ns: int
    current_bytes: int
    peak_bytes: int | None  # since the group was made; None: this kernel does not tell
    limit_bytes: int | None  # the smallest of the group and of those around it that can be seen; None: no limit
    limit_group: str = ""  # the group around it whose limit that is; "": its own
    limit_current_bytes: int | None = None  # what that group around it holds, other processes included


class HeapRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One line of the program and what tracemalloc holds against it."""

    file: str
    line: int
    size_bytes: int
    delta_bytes: int
    count: int
    delta_count: int


class PackageRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One package and what tracemalloc holds against its lines."""

    package: str
    size_bytes: int
    delta_bytes: int
    count: int
    delta_count: int


class StackRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One stack and what tracemalloc holds against it."""

    frames: list[tuple[str, int]]  # file and line, innermost first
    size_bytes: int
    delta_bytes: int
    count: int
    delta_count: int


class PythonHeap(Record, frozen=True, gc=False):
    """tracemalloc over one phase: its growth, its peak, and the lines that grew most."""

    kind: ClassVar[int] = 7

    span: int
    before_bytes: int
    after_bytes: int
    peak_bytes: int
    top: list[HeapRow]  # by growth
    detailed: bool = True  # False: this run was measured without a look at the lines; the lists are empty for it
    largest: list[HeapRow] = []  # by size when the phase ended
    packages: list[PackageRow] = []  # by growth
    stacks: list[StackRow] = []  # by growth; only where tracemalloc keeps more than one frame
    largest_packages: list[PackageRow] = []  # by size when the phase ended
    largest_stacks: list[StackRow] = []  # the same; only where tracemalloc keeps more than one frame


class ObjectRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One type and how many of it there are."""

    type: str
    count: int
    size_bytes: int
    delta_count: int
    delta_bytes: int


class ObjectCensus(Record, frozen=True, gc=False):
    """A census of live Python objects over one phase."""

    kind: ClassVar[int] = 8

    span: int
    count: int
    size_bytes: int
    delta_count: int
    delta_bytes: int
    top: list[ObjectRow]


class Overhead(Record, frozen=True, gc=False):
    """What a probe itself cost at the edges of one phase: time, and RSS that it left behind."""

    kind: ClassVar[int] = 9

    span: int  # 0: while the session started or stopped
    probe: str
    wall_ns: int
    rss_bytes: int


class Note(Record, frozen=True, gc=False):
    """Something the reader of the report must know: a probe that cannot work here, one that was switched off."""

    kind: ClassVar[int] = 10

    time_ns: int
    source: str  # the probe's or sink's name, or "session"
    message: str


class CaptureChunk(Record, frozen=True, gc=False):
    """A piece of another tool's file, moved into the trace when the session was stopped."""

    kind: ClassVar[int] = 11

    tool: str  # "memray"
    offset: int
    total: int  # of the whole file
    data: bytes


class SessionEnd(Record, frozen=True, gc=False):
    """The session was stopped in order; a trace without it belongs to a process that was killed."""

    kind: ClassVar[int] = 12

    time_ns: int
    rss_bytes: int
    peak_rss_bytes: int  # of the whole session
    lost_records: int
    errors: dict[str, int] = {}  # exceptions of probes and sinks, by name


class MappedLibrary(Record, frozen=True, gc=False):
    """A shared library whose code is mapped, where native frames are recorded: what their names depend on."""

    kind: ClassVar[int] = 20

    path: str
    build: str | None  # its GNU build ID, or else its size in words; None where it was replaced or cannot be read


class ModuleImport(Record, frozen=True, gc=False):
    """One run of a module's code: it was imported, reloaded, or failed to be."""

    kind: ClassVar[int] = 40

    span: int
    module: str
    parent: str | None  # the module whose code asked for it, while that was being imported itself
    asked_by: str  # "module:line" of the statement that asked, where `parent` is None
    depth: int  # how many imports were open around it in its thread
    thread_id: int
    time_ns: int  # when it began
    own_bytes: int  # of RSS, while this module's own code ran
    cumulative_bytes: int  # with all that it imported first
    own_ns: int
    cumulative_ns: int
    file: str | None = None
    error: str | None = None  # the exception's type
    reload: bool = False


class MappingRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The resident pages of one owner; see `proc_pid_smaps(5)` for the figures."""

    category: str  # one of those in probes/mappings/owners.py
    owner: str
    rss_bytes: int
    pss_bytes: int  # pages shared with other processes divided among them
    private_bytes: int  # in no other process's map
    evictable_bytes: int  # clean pages of files: the kernel takes them back when it needs to
    anonymous_bytes: int  # of no file: each process has to have its own, unless it was forked and nobody wrote


class AllocatorFigures(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What the allocators say of their own; None where they cannot be asked."""

    malloc_in_use_bytes: int | None = None  # mallinfo2's uordblks: in arenas, all threads
    malloc_mapped_bytes: int | None = None  # its hblkhd: blocks with a mapping of their own
    python_arena_bytes: int | None = None  # of _PyObject_DebugMallocStats
    python_in_use_bytes: int | None = None  # objects in those arenas
    tracemalloc_bytes: int | None = None  # its tables, which lie in malloc's heap
    other: str | None = None  # an allocator that stands in for malloc, such as "jemalloc"
    other_in_use_bytes: int | None = None
    other_held_bytes: int = 0  # that it has from the kernel, and has not given back


class MappingsReading(Record, frozen=True, gc=False):
    """Whose pages were resident at one time: the rows add up to what smaps gives as RSS."""

    kind: ClassVar[int] = 41

    reading: int  # unique in the process
    time_ns: int
    wall_ns: int  # what it cost
    rss_bytes: int  # by the counter that phases read, at the same time
    rows: list[MappingRow]  # none where those of an earlier reading still hold
    allocators: AllocatorFigures
    rows_of: int = 0  # that reading, or this one


class MappingsEdge(Record, frozen=True, gc=False):
    """Which reading stands for an edge of a phase."""

    kind: ClassVar[int] = 42

    span: int
    edge: str  # "begin" or "end"
    reading: int


class SuiteBegin(Record, frozen=True, gc=False):
    """A suite of components begins: what holds for every process that it starts. Only in the suite's own process."""

    kind: ClassVar[int] = 50

    file: str  # the suite file or module
    repeat: int
    timeout_ns: int  # 0: none
    memory_limit_bytes: int  # 0: none
    limited_by: str  # "cgroup" or "RLIMIT_AS"; "" without a limit
    budget_bytes: int  # 0: none was given
    bare_rss_bytes: int  # of an interpreter that imports nothing and runs nothing


class SuiteMember(Record, frozen=True, gc=False):
    """One component of the suite, in the order of the service."""

    kind: ClassVar[int] = 51

    name: str
    position: int
    inputs: int
    batch: int  # requests of the phase `batch`
    variants: list[str]
    problem: str = ""  # why it cannot be run at all


class SuiteRun(Record, frozen=True, gc=False):
    """One process of the suite has ended: what it was for, and how it went."""

    kind: ClassVar[int] = 52

    pid: int  # its trace is the worker's trace of that pid; 0 where it never came to write one
    component: str  # "" for the process that held all of them as they are together
    purpose: str  # "resident", "native", "python", "use", "together", "variant", "deferred", "arenas"
    repetition: int
    variant: str  # the variant's name, or the module that was deferred
    outcome: str  # "ok", "raised", "timed out", "killed", "out of memory", "left"
    phase: str  # where it ended, unless all went well
    message: str
    wall_ns: int


class SuiteUse(Record, frozen=True, gc=False):
    """Which modules the requests of a component made use of."""

    kind: ClassVar[int] = 53

    ran: list[str]  # modules of which a function was called
    read: list[str]  # modules of which an attribute was read, other than by `from ... import` at import time
    requests: int


class SuiteArray(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Storages of tensors or arrays of one element type."""

    library: str  # "torch", "numpy" or "python"
    dtype: str
    item_bytes: int
    count: int
    bytes: int
    resident_bytes: int
    private_bytes: int  # resident, and neither a clean page of a file nor shared
    parameters: bool  # belongs to a torch module


class SuiteTwin(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One content that lies in memory more than once."""

    library: str
    dtype: str
    shape: list[int]
    copies: int
    bytes: int  # of one copy
    extra_bytes: int  # private and resident bytes of all copies but one
    names: list[str]  # where known: the parameters' paths in their models, or the arrays' variables or keys


class SuiteArrays(Record, frozen=True, gc=False):
    """Tensors and arrays that live after the requests, each storage once, and those whose content is there twice."""

    kind: ClassVar[int] = 54

    arrays: list[SuiteArray]
    twins: list[SuiteTwin]


class SuiteDeferred(Record, frozen=True, gc=False):
    """Modules whose import was put off until something is read from them, and which of them were loaded after all."""

    kind: ClassVar[int] = 55

    asked: list[str]
    loaded: dict[str, str]  # module: the phase in which it was loaded
    put_off: list[str] = []  # those that the component did import; one that is written in C cannot be put off


class HolderStep(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One object of a chain of references."""

    type: str
    link: str  # how the object before it refers to this one, such as ".cache" or "[3]"; "" for the first
    name: str = ""  # of a module, function or class


class ObjectHolder(Record, frozen=True, gc=False):
    """What keeps an object of a growing type alive: the shortest chain of references to it when the session ends."""

    kind: ClassVar[int] = 30

    type: str
    count: int  # alive then
    delta_count: int  # by how many they grew over the runs of phases, each path's first run aside
    path: str  # of the phase that they grew most in
    root: str  # "module"; "cycle": nothing outside refers to it; "unseen": a local variable or C code; "": not found
    chain: list[HolderStep]  # from the root to the object
    note: str = ""


class TensorRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Storages that are alike."""

    library: str  # "torch", "numpy" or "python"
    dtype: str
    device: str
    role: str  # "parameter", "buffer", "gradient", "optimizer" or "other"
    backing: str  # "private", "file": mapped from one; "shared": with other processes
    count: int
    size_bytes: int
    delta_bytes: int


class TensorStorage(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One storage among the largest."""

    library: str
    dtype: str
    device: str
    role: str
    backing: str
    owner: str  # such as "encoder.layer.3.weight"; "" where no live module owns it
    model: str  # the class of the outermost module that owns it
    shape: list[int]
    size_bytes: int
    aliases: list[str] = []  # other names of the same storage: tied weights


class TensorCensus(Record, frozen=True, gc=False):
    """Live tensors and arrays over one phase, each storage once."""

    kind: ClassVar[int] = 31

    span: int
    live_bytes: int  # in this process's memory: accelerators' and "meta" storages aside
    delta_bytes: int
    file_backed_bytes: int  # of live_bytes
    storages: int
    rows: list[TensorRow]
    top: list[TensorStorage]
    unreadable: int = 0  # tensors that would not say what they are made of


class AcceleratorMemory(Record, frozen=True, gc=False):
    """What torch's caching allocator of one accelerator says at the end of a phase."""

    kind: ClassVar[int] = 32

    span: int
    device: str
    allocated_bytes: int
    delta_allocated_bytes: int
    reserved_bytes: int
    peak_allocated_bytes: int  # since the process began or last reset it


class Collections(Record, frozen=True, gc=False):
    """What the garbage collector did over one phase, whoever called it."""

    kind: ClassVar[int] = 33

    span: int
    runs: list[int]  # by generation
    wall_ns: int
    collected: int  # objects
    uncollectable: int


class FullCollection(Record, frozen=True, gc=False):
    """A full collection that the tracer made after an outermost phase: what only that gave back."""

    kind: ClassVar[int] = 34

    span: int
    wall_ns: int
    collected: int
    uncollectable: int
    rss_before_bytes: int
    rss_after_bytes: int
    heap_bytes: int | None  # returned to Python's heap, where tracemalloc is on


def kinds() -> dict[int, type[Record]]:
    """Every record class by its kind number, as the trace file's frames name them."""
    return {cls.kind: cls for cls in _subclasses(Record)}


def _subclasses(base: type[Record]) -> list[type[Record]]:
    return [cls for direct in base.__subclasses__() for cls in (direct, *_subclasses(direct))]
