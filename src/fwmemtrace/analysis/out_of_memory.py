"""Finds the process that ran out of memory: by a MemoryError, or because its records stop close to a limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import results
from ..paths import is_inside, read
from .causes import find_causes
from .timeline import LastRise

_CLOSE = 0.9  # of the limit: records that stop with as much in use were most likely stopped by it
_NEXT_S = 1.0  # or if what rose would have reached it in so many seconds
_LATE_NS = 200_000_000  # by which a rise may be seen after it began


@dataclass(frozen=True)
class _Limit:
    kind: str
    group: str | None
    bytes: int
    used_bytes: int


def find_out_of_memory(
    reports: Sequence[results.TraceReport], rises: Sequence[LastRise | None]
) -> results.OutOfMemory | None:
    """Returns what is known of the process that ran out of memory; the largest one if there are several, or None.

    Args:
        reports: of each process alone.
        rises: how the RSS of each rose in the end, its times counted from the start of its session; None if it is not
            known.
    """
    found = []
    for report, rise in zip(reports, rises, strict=True):
        for process in report.trace.processes:
            one = _of_process(report, process, rise or LastRise(0, 0.0))
            if one is not None:
                found.append(one)
    return max(found, key=lambda one: (one.certain, one.peak_bytes), default=None)


def _of_process(report: results.TraceReport, process: results.Process, rise: LastRise) -> results.OutOfMemory | None:
    limit = _limit(process, rise)
    certain = process.memory_error_in is not None
    if not certain and (process.ended == "closed" or process.running or limit is None):
        return None
    path = (process.memory_error_in if certain else process.last_phase) or ""
    found = results.OutOfMemory(
        pid=process.pid,
        certain=certain,
        path=path,
        peak_bytes=process.peak_bytes,
        bytes_per_second=rise.bytes_per_second,
        cause=_cause(report, process, path, rise),
    )
    if limit is not None:
        found.limit = "control group" if limit.kind == "control group" else "RLIMIT_AS"
        found.limit_group, found.limit_bytes, found.used_bytes = limit.group, limit.bytes, limit.used_bytes
    return found


def _limit(process: results.Process, rise: LastRise) -> _Limit | None:
    """Returns the limit that was reached: an allocation fails at that of the address space alone."""
    known = []
    space, group = process.address_space, process.cgroup
    if space is not None:
        known.append(_Limit("RLIMIT_AS", None, space.limit_bytes, space.used_bytes))
    if process.memory_error_in is not None:
        return known[0] if known else None
    if group is not None and group.limit_bytes is not None:
        used = group.current_bytes if group.limit_group is None else group.limit_current_bytes
        if used is not None:
            known.append(_Limit("control group", group.limit_group, group.limit_bytes, used))
    close = [
        one
        for one in known
        if one.used_bytes >= _CLOSE * one.bytes or one.used_bytes + _NEXT_S * rise.bytes_per_second >= one.bytes
    ]
    return max(close, key=lambda one: one.used_bytes / max(one.bytes, 1), default=None)


def _cause(report: results.TraceReport, process: results.Process, path: str, rise: LastRise) -> results.Cause | None:
    """Returns what filled the memory: of what rose in the end or in the phase of the end, the largest."""
    causes = [cause for cause in find_causes(report, process) if cause.kind != "before session"]
    names = read(path)
    late = [cause for cause in causes if cause.kind == "code" and cause.last_ns >= rise.begin_ns - _LATE_NS]
    there = [cause for cause in causes if cause.path and is_inside(names, read(cause.path))]
    return next((cause for some in (late, there, causes) for cause in some), None)
