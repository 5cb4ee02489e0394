"""Results about processes: where the figures come from, and RSS over time."""

from __future__ import annotations

from typing import Literal

from .base import Result


class Cgroup(Result, kw_only=True):
    """Figures of the process's control group, if it has a memory controller."""

    current_bytes: int  # the largest reading of memory.current
    peak_bytes: int | None  # memory.peak, since the group was created; null if the kernel does not have it
    limit_bytes: int | None  # the smallest memory.max of the group and the groups around it; null for no limit
    limit_group: str | None = None  # the enclosing group with that limit; null if it is the group's own, or no limit
    limit_current_bytes: int | None = None  # the largest reading of memory.current of that enclosing group


class AddressSpace(Result, kw_only=True):
    """The address space of a process with a limit of it."""

    limit_bytes: int  # RLIMIT_AS: beyond it, allocations fail
    used_bytes: int  # the largest reading


class Process(Result, kw_only=True):
    """One process of the session."""

    pid: int  # process id; rows of other tables refer to it
    parent_pid: int  # id of the parent process
    python: str  # version of the interpreter, such as "3.11.7"
    platform: str  # `sys.platform`
    command: list[str]  # `sys.orig_argv`
    started_unix_ns: int  # when the session began: Unix time in nanoseconds
    ended: Literal["closed", "not closed"]  # "not closed": the session's end is missing, as after a kill
    last_phase: str | None  # the innermost phase that was open where the records stop; null if the session was closed
    peak_source: Literal["kernel", "sampled"]  # "kernel": exact; "sampled": the largest reading, a lower bound
    probes: list[str]  # the probes of the session
    wall_ns: int  # time from the start of the session to its last record
    before_session_bytes: int  # RSS when the session began
    end_bytes: int  # RSS when the session ended, or the latest reading
    peak_bytes: int  # peak RSS of the session
    outside_phases_bytes: int  # RSS change while no phase was open
    overlap_bytes: int  # RSS change that concurrent outermost phases counted twice; their deltas less this add up
    lost_records: int  # records that could not be written
    cgroup: Cgroup | None = None  # the control group; null without one that has a memory controller
    address_space: AddressSpace | None = None  # null if it has no limit
    memory_error_in: str | None = None  # the innermost phase that an allocation failure ended, if no phase began later
    uss_bytes: int | None = None  # the latest reading of USS: pages that no other process maps
    pss_bytes: int | None = None  # the latest reading of PSS: shared pages are divided among the processes
    service: str = ""  # the name of the service that the process belongs to
    instance: str = ""  # which instance of the service it is
    labels: dict[str, str] = {}  # further facts about the process, such as its version or region
    counter_slack_bytes: int = 0  # how far RSS and its peaks may be from the page tables; 0 if they are exact
    running: bool = False  # whether it was still running when it was read; false also where that cannot be told


class TraceInfo(Result, kw_only=True):
    """Where the figures come from, and whether the trace is complete."""

    complete: bool  # all sessions were closed, no record was lost or dropped, and no byte of the files is damaged
    lost_records: int  # records that could not be written, over all processes
    damaged_bytes: int  # bytes of the files that belong to no whole record
    notes: list[str]  # messages of probes, sinks and readers
    processes: list[Process]  # the first process of the session, then its workers
    dropped_records: int = 0  # records left out of the middle of traces to keep these below `max_trace_size`
    interrupted: bool = False  # reading a capture was interrupted: native figures cover only a part of it


class Overhead(Result, kw_only=True):
    """The cost of a probe over the whole session."""

    pid: int  # process id
    probe: str  # name of the probe
    wall_ns: int  # time it took at phase edges, at the start and at the stop
    rss_bytes: int  # RSS overhead: what it left resident
    during_bytes: int = 0  # RSS overhead during the session, part of all RSS figures: before the probe stopped


class TimelinePoint(Result, kw_only=True):
    """RSS at one moment."""

    pid: int  # process id
    at_ns: int  # time since the first process's session began
    rss_bytes: int  # RSS at that time
    phase: str  # path of the phase that began last among those that were open
