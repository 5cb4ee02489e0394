"""Reports a memray capture without a trace."""

from __future__ import annotations

import os

from .. import results
from ..paths import write
from .capture_file import Progress
from .isolated import IsolatedCapture


def report_capture(
    path: str | os.PathLike[str], *, top: int = 10, progress: Progress | None = None
) -> results.TraceReport:
    """Report a memray capture that has no trace: the native figures by phase, and the RSS of the process.

    Args:
        path: any memray capture with every record; it has phases where FWMEMTRACE_MARKERS was set.
        top: how many stacks to resolve for each phase.
        progress: as for `IsolatedCapture.read`.

    Raises:
        CaptureError: if it cannot be read, or cannot be split by phase.
    """
    with IsolatedCapture(path) as capture:  # opened once: memray walks through all of a capture when it is opened
        capture.read(progress)
        summary = capture.summary(top)
        file = capture.file
        resident = file.resident() or [0]
        process = results.Process(
            pid=file.pid,
            parent_pid=0,
            python="unknown",
            platform="unknown",
            command=[file.command],
            started_unix_ns=file.started_unix_ns,
            ended="closed" if summary.complete and summary.stopped else "not closed",
            last_phase=None,
            peak_source="sampled",
            probes=["native"],
            wall_ns=file.wall_ns,
            before_session_bytes=resident[0],
            end_bytes=resident[-1],
            peak_bytes=max(resident),
            outside_phases_bytes=0,
            overlap_bytes=0,
            lost_records=0,
        )
    phases = [
        results.PhaseRow(
            path=write(phase),
            pid=process.pid,
            calls=summary.calls.get(phase, 0),
            errors=0,
            wall_ns=0,
            resident=None,
            native=row,
        )
        for phase, row in summary.rows.items()
    ]
    info = results.TraceInfo(
        complete=summary.complete and summary.stopped,
        lost_records=0,
        damaged_bytes=0,
        notes=summary.notes,
        processes=[process],
        interrupted=not summary.complete,
    )
    return results.TraceReport(trace=info, phases=phases)
