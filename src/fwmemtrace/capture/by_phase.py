"""`read_capture`: a memray capture cut by phase. Joins the reader of captures with their analysis."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from .. import results
from ..paths import write
from ..system.garbage_collector import CollectorPaused
from .capture_file import CaptureFile
from .fold import CaptureFold, RunEnded
from .library_names import UNKNOWN_LIBRARY, library_of
from .rows import CaptureSummary, add_up, build_rows
from .stacks import Readable, asking, package_of_stack, readable

_NAMED = 5  # as many libraries a note names
_INNERMOST = 16  # of a stack's C and C++ frames: enough to see past the allocators


def read_capture(
    path: str | os.PathLike[str],
    *,
    top: int = 10,
    other_builds: Collection[str] = (),
    progress: Callable[[int, int], None] | None = None,
    run_ended: RunEnded | None = None,
) -> CaptureSummary:
    """Cut a memray capture by the phases whose marks are in it; without marks it is one row, `()`.

    Reading can be interrupted: a KeyboardInterrupt ends it early, and the summary says how far it came.

    Args:
        path: the capture.
        top: how many stacks to resolve for each phase.
        other_builds: paths of libraries that are other builds here than in the traced process: C and C++ frames in
            them get no names.
        progress: called now and then with the number of records read and of all there are.
        run_ended: called at the end of each run of a phase with its path, the bytes that all runs of that path hold
            then, and those that this one holds.

    Raises:
        CaptureError: if it cannot be read, or cannot be cut by phase.
    """
    with CaptureFile(Path(path), other_builds=other_builds) as capture, CollectorPaused():
        summary = _summary(capture, top, progress, run_ended)
        if other_builds:
            summary.notes.append(_strangers(other_builds, capture.native))
        return summary


def report_capture(
    path: str | os.PathLike[str], *, top: int = 10, progress: Callable[[int, int], None] | None = None
) -> results.TraceReport:
    """A report of a memray capture that has no trace: the native figures by phase, and the process's RSS.

    Args:
        path: any capture of memray's with every record; phases are told apart where FWMEMTRACE_MARKERS was set.
        top: how many stacks to resolve for each phase.
        progress: as in `read_capture`.

    Raises:
        CaptureError: if it cannot be read, or cannot be cut by phase.
    """
    # Opened once: memray walks through all of a capture when it is opened.
    with CaptureFile(Path(path)) as capture:
        with CollectorPaused():
            summary = _summary(capture, top, progress, None)
        resident = capture.resident() or [0]
        process = results.Process(
            pid=capture.pid,
            parent_pid=0,
            python="unknown",
            platform="unknown",
            command=[capture.command],
            started_unix_ns=capture.started_unix_ns,
            ended="closed" if summary.complete and summary.stopped else "not closed",
            last_phase=None,
            peak_source="sampled",
            probes=["native"],
            wall_ns=capture.wall_ns,
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
    )
    return results.TraceReport(trace=info, phases=phases)


def _summary(
    capture: CaptureFile,
    top: int,
    progress: Callable[[int, int], None] | None,
    run_ended: RunEnded | None,
) -> CaptureSummary:
    notes: list[str] = []
    fold = CaptureFold(capture.mark_of, capture.own_thread, run_ended, native=capture.native)
    read = 0
    try:
        for batch in capture.batches():
            fold.feed(batch)
            read += len(batch)
            if progress is not None:
                progress(read, capture.records)
    except KeyboardInterrupt:
        notes.append(f"interrupted after {read} of {capture.records} records of memray's capture: the rest is missing")
    complete = read == capture.records
    fold.finish()

    stacks: dict[Any, Readable] = {}

    def resolve(key: Any) -> Readable:
        if key not in stacks:
            stacks[key] = readable(capture.python_stack(key), capture.whole_stack(key) if capture.native else None)
        return stacks[key]

    def library_at(key: Any) -> str:
        return asking(capture.native_stack(key, _INNERMOST)) or UNKNOWN_LIBRARY

    rows = build_rows(
        fold,
        top,
        resolve,
        lambda key: package_of_stack(capture.python_stack(key)),
        library_at if capture.native else None,
    )
    if fold.cut_off and complete:
        notes.append("memray's tracker was not stopped: the process was killed, and last records may be missing")
    if capture.unresolved:
        notes.append(_nameless(capture.unresolved, len(stacks), capture.nameless))
    if not fold.mapped.was_read:
        notes.append(
            "memray's capture does not say which mappings are of files: those whose length is no multiple of a "
            "page are taken for files, all others count as memory"
        )
    files: dict[str, int] = {}
    for by_file in fold.mapped.file_backed().values():
        for file, size in by_file.items():
            files[file] = files.get(file, 0) + size
    fold.let_go()
    return CaptureSummary(
        rows=rows,
        totals=add_up(rows.values(), capture.peak_bytes),
        marks=fold.marks,
        marks_bytes=fold.marks_bytes,
        memray_peak_bytes=capture.peak_bytes,
        mapped_files=files,
        calls={path: fold.tallies[path].runs for path in rows if path},
        complete=complete,
        stopped=not fold.cut_off,
        notes=notes,
    )


def _strangers(paths: Collection[str], native: bool) -> str:
    names = sorted({library_of(path) for path in paths})
    what = "their names are left out" if native else "all C and C++ frames are left out, as their names would be wrong"
    return (
        f"{len(paths)} of the traced process's libraries are other builds here ({_listed(names)}): {what}. Read the "
        "trace where the program ran, or in the same image"
    )


def _nameless(stacks: int, shown: int, paths: Collection[str]) -> str:
    names = sorted({library_of(path) for path in paths})
    what = f"{stacks} of {shown} shown stacks have C or C++ frames without a symbol"
    if not names:
        return f"{what}, which are left out: the libraries are stripped, or not on this machine"
    return f"{what}: {_listed(names)} {'is' if len(names) == 1 else 'are'} stripped, or not on this machine"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
