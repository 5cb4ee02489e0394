"""Finds how much forked processes have copied of the pages that they shared with their parent."""

from __future__ import annotations

from collections.abc import Sequence

from .. import results


def find_copied(reports: Sequence[results.TraceReport], least: float) -> results.CopiedPages | None:
    """Returns what became private without a rise of RSS, in all forked processes of a trace.

    Args:
        reports: of each process alone.
        least: in bytes; less than that is not worth mentioning.
    """
    commands = {report.trace.processes[0].pid: report.trace.processes[0].command for report in reports}
    sizes = []
    locations: dict[int, results.Frame] = {}
    for report in reports:
        process = report.trace.processes[0]
        # A forked process has the command line of its parent; one that was started has its own.
        if commands.get(process.parent_pid) == process.command:
            size = _copied(report)
            if size > 0:
                sizes.append(size)
            location = next((one.copied_at for one in report.rises or [] if one.copied_at is not None), None)
            if location is not None:
                locations[size] = location
    if not sizes or sum(sizes) < least:
        return None
    location = locations[max(locations)] if locations else None
    return results.CopiedPages(processes=len(sizes), bytes=sum(sizes), location=location)


def _copied(report: results.TraceReport) -> int:
    """Returns the most by which private memory has grown since the first reading, less what RSS has."""
    readings = report.composition or []
    grown = (
        one.private_bytes - readings[0].private_bytes - max(0, one.rss_bytes - readings[0].rss_bytes)
        for one in readings
    )
    return max(grown, default=0)
