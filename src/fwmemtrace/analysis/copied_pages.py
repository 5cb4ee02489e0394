"""Finds how much forked processes have copied of the pages that they shared with their parent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .. import results


def inherited_bytes(process: results.Process, processes: Iterable[results.Process]) -> int:
    """Returns how much of its RSS a forked process began with, which is its parent's; 0 for others.

    Args:
        process: the process.
        processes: of the trace.
    """
    # A forked process has the command line of its parent; one that was started has its own.
    forked = any(one.pid == process.parent_pid and one.command == process.command for one in processes)
    return process.before_session_bytes if forked else 0


def find_copied(reports: Sequence[results.TraceReport], least: float) -> results.CopiedPages | None:
    """Returns what became private without a rise of RSS, in all forked processes of a trace.

    Args:
        reports: of each process alone.
        least: in bytes; less than that is not worth mentioning.
    """
    processes = [report.trace.processes[0] for report in reports]
    forked = [report for report, one in zip(reports, processes, strict=True) if inherited_bytes(one, processes)]
    copies = [(size, _copied_at(report)) for report in forked if (size := _copied(report)) > 0]
    total = sum(size for size, _ in copies)
    if not copies or total < least:
        return None
    _, location = max(copies, key=lambda copy: (copy[1] is not None, copy[0]))
    return results.CopiedPages(processes=len(copies), bytes=total, location=location)


def _copied(report: results.TraceReport) -> int:
    """Returns the most by which private memory has grown since the first reading, less what RSS has.

    A process that was killed, or that ended without the interpreter's exit, has no later reading, but an estimate.
    """
    readings = report.composition or []
    grown = (
        one.private_bytes - readings[0].private_bytes - max(0, one.rss_bytes - readings[0].rss_bytes)
        for one in readings
    )
    closed = report.trace.processes[0].ended == "closed"
    estimate = 0 if closed else max((one.copied_bytes for one in report.rises or []), default=0)
    return max(estimate, *grown, 0)


def _copied_at(report: results.TraceReport) -> results.Frame | None:
    return next((one.copied_at for one in report.rises or [] if one.copied_at is not None), None)
