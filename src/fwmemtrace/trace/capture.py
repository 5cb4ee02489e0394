"""Finds the capture that belongs to a trace file and analyses it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

from .. import results
from ..analysis.call_levels import CallLevelsFold
from ..analysis.details import CaptureDetails
from ..analysis.growth import GrowthFold
from ..analysis.process_analysis import CaptureResults
from ..analysis.stack_tree import StackTreeBuilder
from ..capture.largest import LargestStacks
from ..capture.readers import reader_for
from ..capture.samples import StackSample
from ..errors import CaptureError
from ..paths import PhasePath, write
from ..records import CaptureChunk, MappedLibrary
from ..system.elf import build_of
from ..tracefile.reader import TraceFile

NATIVE_METRICS = ("live", "at peak", "allocated", "allocations", "temporary")
_METRIC = "native"  # of growth
_MOST_STACKS = 10_000  # of a capture, as many as the tree has rows; the others are in sums
Progress: TypeAlias = Callable[[int, int], None]  # records of a capture that were read, and all records


def capture_beside(file: TraceFile, tool: str = "memray") -> Path:
    """Return where a capture that is not in the trace file lies: next to it."""
    return file.path.with_name(file.path.name + reader_for(tool).suffix)


@contextmanager
def capture_of(file: TraceFile, tool: str = "memray") -> Iterator[Path | None]:
    """Provide a tool's capture of a process, as a file for the duration of the block; None if there is none.

    The capture lies next to the trace file while the process runs and after a crash. An orderly stop moves it into the
    trace file.
    """
    session = file.session()
    if session is not None and "native" not in session.probes:
        yield None
        return
    beside = capture_beside(file, tool)
    if beside.exists():
        yield beside
        return
    with tempfile.TemporaryDirectory(prefix="fwmemtrace-") as folder:
        path = Path(folder) / beside.name
        with path.open("wb") as copy:
            complete = _extract(file, tool, copy)
        yield path if complete else None


def analyse_capture(
    file: TraceFile, top: int, progress: Progress | None = None, *, details: bool = False
) -> CaptureResults | None:
    """Return what a process's capture says; None if it has none.

    Args:
        file: the process's trace file.
        top: how many stacks to resolve for each phase.
        details: whether to keep what a page shows beyond the report.
        progress: called now and then with the number of records read and of all records.
    """
    with capture_of(file) as path:
        if path is None:
            return None
        growth = GrowthFold()
        levels = CallLevelsFold()

        def run_ended(phase: PhasePath, level: int, change: int) -> None:
            growth.call(phase, _METRIC, level, change)
            if details:
                levels.call(phase, _METRIC, level)

        try:
            capture = reader_for("memray").rows(
                path,
                top=top,
                largest=_MOST_STACKS if details else 0,
                other_builds=other_builds(file),
                progress=progress,
                run_ended=run_ended,
            )
        except CaptureError as error:
            return CaptureResults(notes=[f"native: {error}"])
    return CaptureResults(
        capture.rows,
        [f"native: {note}" for note in capture.notes],
        growth.result(),
        complete=capture.complete,
        details=None if capture.largest is None else CaptureDetails(levels, native_tree(capture.largest)),
    )


def native_tree(largest: LargestStacks) -> results.StackTree:
    """Return stacks of a capture as a tree."""
    builder = StackTreeBuilder(NATIVE_METRICS)
    for stack in largest.stacks:
        root = write(stack.phase)
        if stack.frames is None:
            builder.add_smaller(root, stack.figures, stack.stacks)
        else:
            builder.add(root, [largest.frames[number] for number in stack.frames], stack.figures)
    return builder.result()


@contextmanager
def native_samples(file: TraceFile) -> Iterator[Iterable[StackSample] | None]:
    """Provide all native stacks of a process for as long as the block lasts; None if it has no capture.

    Raises:
        CaptureError: if the capture cannot be read.
    """
    with capture_of(file) as path:
        if path is None:
            yield None
            return
        with reader_for("memray").samples(path, other_builds=other_builds(file)) as samples:
            yield samples


def _extract(file: TraceFile, tool: str, copy: BinaryIO) -> bool:
    """Write a tool's capture in a trace file to another file, and return whether all of it was there, in its order."""
    written = total = 0
    for record in file:
        if isinstance(record, CaptureChunk) and record.tool == tool:
            if record.offset != written:
                return False
            written += copy.write(record.data)
            total = record.total
    return 0 < total == written


def other_builds(file: TraceFile) -> list[str]:
    """Return the paths of libraries that this machine has in another build than the traced process had.

    Libraries that this machine does not have are left out: without a file there are no names to get wrong.
    """
    session = file.session()
    if session is None or session.settings.get("native_traces") != "True":
        return []
    mapped = {record.path: record.build for record in file if isinstance(record, MappedLibrary)}
    return [path for path, build in mapped.items() if build_of(path) not in (None, build)]
