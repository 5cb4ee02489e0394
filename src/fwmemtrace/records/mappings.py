"""What RSS consists of: the mappings of the process, and what allocators say of theirs."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from .base import Record


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
