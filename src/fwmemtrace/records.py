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
    peak_bytes: int | None  # None: this kernel does not tell
    limit_bytes: int | None  # None: no limit


class HeapRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One line of the program and what tracemalloc holds against it."""

    file: str
    line: int
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
    top: list[HeapRow]


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


def kinds() -> dict[int, type[Record]]:
    """Every record class by its kind number, as the trace file's frames name them."""
    return {cls.kind: cls for cls in _subclasses(Record)}


def _subclasses(base: type[Record]) -> list[type[Record]]:
    return [cls for direct in base.__subclasses__() for cls in (direct, *_subclasses(direct))]
