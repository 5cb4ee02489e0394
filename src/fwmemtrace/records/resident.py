"""The memory of the process, its limits, and what ran while RSS changed."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from .base import Record


class Sample(Record, frozen=True, gc=False):
    """A point of the timeline."""

    kind: ClassVar[int] = 4

    time_ns: int
    rss_bytes: int
    vms_bytes: int


class Footprint(Record, frozen=True, gc=False):
    """A reading of /proc/self/smaps_rollup at an edge of an outermost phase, which takes longer than one of RSS."""

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
