"""The executive summary: what holds the memory, in sentences that are computed from the trace and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from .. import results
from ..paths import read
from ..units import format_bytes
from .tree import contributions

_NAMED = 3  # phases that a sentence names
_SAME_PEAK = 0.005
_WORTH_NAMING = 0.02  # of the process's RSS: what is smaller explains nothing


def executive_summary(report: results.TraceReport) -> list[str]:
    """What holds the memory: the biggest process's state, its biggest holders, what limit it meets."""
    processes = report.trace.processes
    if not processes:
        return ["The trace tells of no process."]
    biggest = max(processes, key=lambda process: process.peak_bytes)
    phases = [phase for phase in report.phases if phase.pid == biggest.pid]
    sentences = [_state(biggest, phases), *_holders(biggest, phases), *_end_by_limit(biggest)]
    if len(processes) > 1:
        total = sum(process.end_bytes for process in processes)
        sentences.append(
            f"The session's {len(processes)} processes together held {format_bytes(total)} when each was last read, "
            "pages that they share counted in each."
        )
    if report.budget is not None:
        sentences.append(_budget(report.budget))
    return sentences


def process_title(process: results.Process) -> str:
    """A process in a few words."""
    command = " ".join(process.command) or "unknown command"
    return f"{command} (pid {process.pid}, Python {process.python})"


def control_group(process: results.Process) -> str | None:
    """What the process's control group held and may hold; None where none was read."""
    group = process.cgroup
    if group is None:
        return None
    if group.peak_bytes is None:
        held = f"When it was read its control group held at most {format_bytes(group.current_bytes)}"
    else:
        held = f"Since it was made its control group held at most {format_bytes(group.peak_bytes)}"
    held += ", cached pages of files included"
    if group.limit_bytes is None:
        return f"{held}; it has no limit."
    limit = format_bytes(group.limit_bytes)
    if group.limit_group is None:
        return f"{held}; its limit is {limit}."
    return f"{held}; its limit is the {limit} of the group `{group.limit_group}` around it{_filled(group)}."


def _filled(group: results.Cgroup) -> str:
    if group.limit_current_bytes is None:
        return ""
    return f", which held at most {format_bytes(group.limit_current_bytes)} when it was read"


def _end_by_limit(process: results.Process) -> list[str]:
    """A process that the kernel killed cannot say so; what can be said is what limit it had."""
    group = process.cgroup
    if process.ended == "closed" or group is None or group.limit_bytes is None:
        return []
    where = "Its control group" if group.limit_group is None else f"The control group `{group.limit_group}` around it"
    held = group.current_bytes if group.limit_group is None else group.limit_current_bytes
    read = "" if held is None else f" and held at most {format_bytes(held)} when it was read"
    return [
        f"{where} has a limit of {format_bytes(group.limit_bytes)}{read}: "
        "what would go over the limit is killed by the kernel, which leaves no record here."
    ]


def _state(process: results.Process, phases: Sequence[results.PhaseRow]) -> str:
    end, peak = format_bytes(process.end_bytes), format_bytes(process.peak_bytes)
    where = _peak_phase(process, phases)
    reached = f"its peak was {peak}" + (f", reached in `{where}`" if where else ", reached outside any phase")
    if process.ended == "closed":
        return f"Process {process.pid} held {end} of resident memory when the session was stopped; {reached}."
    inside = f"inside `{process.last_phase}`" if process.last_phase else "outside any phase"
    return f"Process {process.pid} was not closed: its records stop {inside}, at {end} of resident memory; {reached}."


def _peak_phase(process: results.Process, phases: Sequence[results.PhaseRow]) -> str | None:
    """The innermost phase whose peak is that of the process, within what the kernel's counters are apart."""
    least = process.peak_bytes * (1 - _SAME_PEAK)
    at_peak = [
        phase.path
        for phase in phases
        if phase.path and phase.resident is not None and phase.resident.peak_bytes >= least
    ]
    return max(at_peak, key=lambda path: len(read(path)), default=None)


def _holders(process: results.Process, phases: Sequence[results.PhaseRow]) -> list[str]:
    shares = [(size, f"`{path}`") for path, size in contributions(phases)]
    shares.append((process.before_session_bytes, "what was there before the session"))
    shares.append((process.outside_phases_bytes, "what happened outside any phase"))
    worth = [share for share in sorted(shares, reverse=True) if share[0] >= _WORTH_NAMING * process.end_bytes]
    if not worth or process.end_bytes <= 0:
        return []
    named = worth[:_NAMED]
    parts = [f"{name} ({format_bytes(size)}, {size / process.end_bytes:.0%})" for size, name in named]
    total = sum(size for size, _ in named)
    return [
        f"Most of it came with {_enumerate(parts)}"
        + (f": together {format_bytes(total)} of {format_bytes(process.end_bytes)}." if len(named) > 1 else ".")
    ]


def _budget(budget: results.Budget) -> str:
    limit, peak = format_bytes(budget.limit_bytes), format_bytes(budget.peak_bytes)
    if budget.exceeded:
        over = format_bytes(budget.peak_bytes - budget.limit_bytes)
        return f"The peak of {peak} exceeds the budget of {limit} by {over}."
    spare = format_bytes(budget.limit_bytes - budget.peak_bytes)
    return f"The peak of {peak} keeps the budget of {limit}, with {spare} to spare."


def _enumerate(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
