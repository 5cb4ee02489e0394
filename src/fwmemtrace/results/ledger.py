"""Results of the probe `mappings`: what RSS and its changes consist of."""

from __future__ import annotations

from typing import Literal

from .base import PhaseResult, Result


class LedgerItem(Result, kw_only=True):
    """A part of RSS, or of an RSS change; docs/ledger.md lists the categories."""

    category: str  # kind of memory
    owner: str  # library, file or allocator
    bytes: int  # resident bytes
    private_bytes: int = 0  # part of `bytes`: mapped by no other process
    evictable_bytes: int = 0  # part of `bytes`: clean pages of files, which the kernel can evict
    anonymous_bytes: int = 0  # part of `bytes`: pages of no file, which each worker has for itself


class Ledger(PhaseResult, kw_only=True):
    """What the RSS change of a phase consists of: the items and `unexplained_bytes` add up to `rss_delta_bytes`."""

    rss_delta_bytes: int  # RSS change of the phase
    unexplained_bytes: int  # anonymous memory without a known owner, and the change over calls that were not read
    items: list[LedgerItem]  # the largest first
    pid: int = 0  # process id
    calls: int = 0  # number of calls of the phase
    read_calls: int = 0  # number of calls with a reading of the mappings at both edges
    spanned_calls: int = 0  # number of other calls whose change is split as that between the readings around them
    unread_bytes: int = 0  # part of `unexplained_bytes`: the change over the calls that are neither
    private_bytes: int = (
        0  # change over the read calls in pages that no other process maps; copied pages leave RSS as is
    )


class Composition(Result, kw_only=True):
    """What RSS consists of at one moment: the items and `unexplained_bytes` add up to `rss_bytes`."""

    pid: int  # process id
    moment: Literal["begin", "largest", "end"]  # the first reading, the one with the largest RSS, or the last one
    path: str  # the phase at whose edge it was read
    rss_bytes: int  # RSS at that moment
    unexplained_bytes: int  # anonymous memory without a known owner
    items: list[LedgerItem]  # the largest first
    untouched_bytes: int = 0  # not in RSS: large blocks of malloc that were never touched, or are swapped out
    private_bytes: int = 0  # part of `rss_bytes`: mapped by no other process
    pss_bytes: int = 0  # `rss_bytes` with shared pages divided among the processes that map them
    threads: int = 0  # number of threads, those of native libraries too; 0 if not known
    reserved_bytes: int = 0  # not in RSS: other writable memory that is mapped, has no known owner and is not resident


class Workers(Result, kw_only=True):
    """The estimated total for N workers like one process, or like the forked workers of the trace."""

    workers: int  # number of workers
    once_bytes: (
        int  # pages of files and shared memory, which all workers share; with forked ones, what the parent holds
    )
    each_bytes: int  # anonymous memory, which each worker has for itself; of forked ones, what became private
    total_bytes: int  # `once_bytes` and N times `each_bytes`
    sum_of_rss_bytes: int  # N times the RSS of the process, which counts shared pages N times; and a parent's
    pid: int = 0  # id of the process that they are like, or whose forked workers they are like
    measured_workers: int = 0  # number of forked workers in the trace that the figures are the mean of; 0 for none
