"""Where a trace begins and ends, and what the tracer has to say about itself."""

from __future__ import annotations

from typing import ClassVar

from .base import Record


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


class SessionEnd(Record, frozen=True, gc=False):
    """The session was stopped. A trace without this record is of a process that runs, crashed or was killed."""

    kind: ClassVar[int] = 12

    time_ns: int
    rss_bytes: int
    peak_rss_bytes: int  # of the whole session
    lost_records: int
    errors: dict[str, int] = {}  # the number of exceptions that each probe raised, by name


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
