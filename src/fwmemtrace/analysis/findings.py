"""What a reader wants to know first of a trace, as facts: the largest process, its peak, what its memory came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .. import results
from .phase_tree import own_changes, phase_tree

_NAMED = 3  # contributors
_SAME_PEAK = 0.005  # of the peak: the kernel's counters differ by less
_MIN_SHARE = 0.02  # of RSS: what is smaller explains nothing


@dataclass(frozen=True, slots=True)
class Contributor:
    """Something that a part of the RSS came from.

    Attributes:
        kind: a phase, what was there when the session began, or what happened outside any phase.
        path: of the phase; "" for the others.
        bytes: how much of the RSS.
        share: the same as a fraction.
    """

    kind: Literal["phase", "before session", "outside phases"]
    path: str
    bytes: int
    share: float


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """The limit of a control group.

    Attributes:
        limit_bytes: the limit.
        group: the enclosing group that has it; None for the process's own.
        usage_bytes: the highest usage of that group that was read; None if it was never read.
    """

    limit_bytes: int
    group: str | None
    usage_bytes: int | None


@dataclass(frozen=True, slots=True)
class Findings:
    """The facts of a report's first paragraph.

    Attributes:
        process: the one with the highest peak.
        peak_phase: the innermost phase in which it was reached; None outside any phase.
        contributors: what its RSS came from, the largest first; small ones are left out.
        possible_kill: the limit that the process may have exceeded, if its trace ends without the session's end.
        processes: how many the session had.
        total_bytes: the sum of their RSS when each was last read; pages that they share count in each.
        budget: the peak against a limit, if one was given.
    """

    process: results.Process
    peak_phase: str | None
    contributors: Sequence[Contributor]
    possible_kill: MemoryLimit | None
    processes: int
    total_bytes: int
    budget: results.Budget | None


def findings(report: results.TraceReport) -> Findings | None:
    """Returns the facts, None for a trace without a process."""
    processes = report.trace.processes
    if not processes:
        return None
    largest = max(processes, key=lambda process: process.peak_bytes)
    phases = [phase for phase in report.phases if phase.pid == largest.pid]
    return Findings(
        process=largest,
        peak_phase=_peak_phase(largest, phases),
        contributors=_contributors(largest, phases),
        possible_kill=None if largest.ended == "closed" else memory_limit(largest),
        processes=len(processes),
        total_bytes=sum(process.end_bytes for process in processes),
        budget=report.budget,
    )


def memory_limit(process: results.Process) -> MemoryLimit | None:
    """Returns the limit of the process's control group or of one around it; None if there is none."""
    group = process.cgroup
    if group is None or group.limit_bytes is None:
        return None
    usage = group.current_bytes if group.limit_group is None else group.limit_current_bytes
    return MemoryLimit(group.limit_bytes, group.limit_group, usage)


def _peak_phase(process: results.Process, phases: Sequence[results.PhaseRow]) -> str | None:
    least = process.peak_bytes * (1 - _SAME_PEAK)
    at_peak = [
        phase for phase in phases if phase.path and phase.resident is not None and phase.resident.peak_bytes >= least
    ]
    innermost = max(at_peak, key=lambda phase: len(phase.names), default=None)
    return None if innermost is None else innermost.path


def _contributors(process: results.Process, phases: Sequence[results.PhaseRow]) -> list[Contributor]:
    rss = process.end_bytes
    if rss <= 0:
        return []
    every = [
        *(Contributor("phase", path, size, size / rss) for path, size in own_changes(phase_tree(phases))),
        Contributor("before session", "", process.before_session_bytes, process.before_session_bytes / rss),
        Contributor("outside phases", "", process.outside_phases_bytes, process.outside_phases_bytes / rss),
    ]
    worth = [one for one in every if one.share >= _MIN_SHARE]
    return sorted(worth, key=lambda one: one.bytes, reverse=True)[:_NAMED]
