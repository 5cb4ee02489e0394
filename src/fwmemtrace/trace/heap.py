"""Finds the tables of the sampled heap that belong to a trace file: next to it, or in it after a clean stop."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from .. import results
from ..capture.heap_rows import HeapResults, read_heap, read_stacks
from ..errors import CaptureError
from ..paths import PhasePath
from ..records import CaptureChunk, SessionBegin
from ..tracefile.layout import HEAP_SUFFIX
from ..tracefile.reader import TraceFile

_PROBE = "heap"
HeapStack: TypeAlias = tuple[PhasePath, results.HeapStackSample]


def heap_beside(file: TraceFile) -> Path:
    """Return where the tables lie while the process runs, and after a kill."""
    return file.path.with_name(file.path.name + HEAP_SUFFIX)


def analyse_heap(file: TraceFile, session: SessionBegin | None, top: int) -> HeapResults | None:
    """Return what the sampled heap of a process says; None if there is none.

    Args:
        file: the process's trace file.
        session: its first record; None if that is damaged.
        top: how many stacks to show for each phase.
    """
    data = _tables_of(file, session)
    if data is None:
        return None
    try:
        found = read_heap(data, str(heap_beside(file)), top)
    except CaptureError as error:
        return HeapResults({}, [f"{_PROBE}: {error}"])
    return HeapResults(found.rows, [f"{_PROBE}: {note}" for note in found.notes])


def heap_stacks(file: TraceFile, session: SessionBegin | None) -> list[HeapStack] | None:
    """Return all stacks of the sampled heap of a process with their phases; None if it has none, or a damaged one.

    Args:
        file: the process's trace file.
        session: its first record; None if that is damaged.
    """
    data = _tables_of(file, session)
    if data is None:
        return None
    try:
        return list(read_stacks(data, str(heap_beside(file))))
    except CaptureError:
        return None  # a note of the report says so


def _tables_of(file: TraceFile, session: SessionBegin | None) -> bytes | None:
    if session is not None and _PROBE not in session.probes:
        return None
    try:
        return heap_beside(file).read_bytes()
    except OSError:
        return _from_trace(file)


def _from_trace(file: TraceFile) -> bytes | None:
    pieces = bytearray()
    total = 0
    for record in file:
        if isinstance(record, CaptureChunk) and record.tool == _PROBE:
            if record.offset != len(pieces):
                return None
            pieces += record.data
            total = record.total
    return bytes(pieces) if 0 < total == len(pieces) else None
