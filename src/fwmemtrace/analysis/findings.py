"""Finds what a reader wants to know first of a trace: what its largest process held at its peak."""

from __future__ import annotations

from collections.abc import Sequence

from .. import results
from .causes import find_causes
from .copied_pages import find_copied, inherited_bytes
from .next_runs import find_next_runs
from .out_of_memory import find_out_of_memory
from .timeline import LastRise

_SAME_PEAK = 0.005  # of the peak: the kernel's counters differ by less
_MIN_COPIED, _MIN_COPIED_BYTES = 0.1, 10_000_000  # of the peak, and in all
_MIN_UNTOUCHED = 0.1  # of the peak; less needs no mention


def find(
    reports: Sequence[results.TraceReport], last_rises: Sequence[LastRise | None] | None = None
) -> results.Summary | None:
    """Returns the summary of a trace; None if it has no process.

    Args:
        reports: of each process alone.
        last_rises: how the RSS of each rose in the end; None if it is not known.
    """
    with_process = [(report, report.trace.processes[0]) for report in reports if report.trace.processes]
    if not with_process:
        return None
    processes = [process for _, process in with_process]
    report, process = max(with_process, key=lambda one: one[1].peak_bytes - inherited_bytes(one[1], processes))
    largest = next((one for one in report.composition or [] if one.moment == "largest"), None)
    causes = find_causes(report, process)
    untouched = _untouched(report, process, largest)
    return results.Summary(
        pid=process.pid,
        peak_bytes=process.peak_bytes,
        peak_phase=_peak_phase(process, report.phases),
        end_bytes=process.end_bytes,
        incomplete=any(one.trace.interrupted or not one.trace.complete for one in reports),
        causes=causes,
        evictable_bytes=None if largest is None else sum(item.evictable_bytes for item in largest.items),
        untouched=untouched,
        copied=find_copied([one for one, _ in with_process], max(_MIN_COPIED * process.peak_bytes, _MIN_COPIED_BYTES)),
        out_of_memory=find_out_of_memory(reports, last_rises or [None] * len(reports)),
        next_runs=find_next_runs(report, process, causes, untouched),
        total_bytes=sum(process.end_bytes for _, process in with_process),
    )


def _peak_phase(process: results.Process, phases: Sequence[results.PhaseRow]) -> str | None:
    least = process.peak_bytes * (1 - _SAME_PEAK)
    at_peak = [
        phase for phase in phases if phase.path and phase.resident is not None and phase.resident.peak_bytes >= least
    ]
    innermost = max(at_peak, key=lambda phase: len(phase.names), default=None)
    return None if innermost is None else innermost.path


def _untouched(
    report: results.TraceReport, process: results.Process, largest: results.Composition | None
) -> results.Untouched | None:
    """Returns what is allocated and not resident, if it is much.

    malloc says how large its mapped blocks are, smaps how large other mappings are, memray how much native memory is
    live. What of that is not resident was never touched, was given back, or was swapped out.
    """
    native = [phase.native for phase in report.phases if phase.native is not None]
    if native:
        live = sum(one.live_bytes - one.reserved_bytes for one in native)
        untouched = live - (process.end_bytes if largest is None else _anonymous_bytes(report, process))
        site = max((site for one in native for site in one.top), key=lambda site: site.live_bytes, default=None)
        location = None if site is None or site.live_bytes < untouched / 2 else site.caller
        found = results.Untouched(bytes=untouched, live_bytes=live, location=location)
    else:
        most = max(report.composition or [], key=lambda one: one.untouched_bytes + one.reserved_bytes, default=None)
        if most is None:
            return None
        found = results.Untouched(bytes=most.untouched_bytes + most.reserved_bytes, reserved_bytes=most.reserved_bytes)
    return found if found.bytes > _MIN_UNTOUCHED * process.peak_bytes else None


def _anonymous_bytes(report: results.TraceReport, process: results.Process) -> int:
    """Returns the anonymous memory that was resident at the end, named or not, with all that came after its reading."""
    end = next(one for one in reversed(report.composition or []))
    later = max(0, process.end_bytes - end.rss_bytes)  # much if the process was killed
    return sum(item.anonymous_bytes for item in end.items) + max(0, end.unexplained_bytes) + later
