"""Finds traces and reads them, one process after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..errors import FwmemtraceError
from ..trace import TracedProcess, read
from .rows import ProcessRows, rows_of


def find_traces(places: Iterable[str]) -> list[Path]:
    """Return the trace files among files and in folders, at any depth.

    Raises:
        FwmemtraceError: if a place does not exist.
    """
    found: dict[Path, None] = {}
    for place in map(Path, places):
        if place.is_dir():
            found.update(dict.fromkeys(sorted(place.rglob("*.bin"))))
        elif place.exists():
            found[place] = None
        else:
            raise FwmemtraceError(f"{place}: no such file or folder")
    return list(found)


def processes_of(paths: Iterable[Path], skipped: Callable[[Path, Exception], object]) -> Iterator[TracedProcess]:
    """Iterate over the processes of traces; those of workers are found next to the first one's, and come once.

    Args:
        paths: trace files.
        skipped: called for each file that is not a readable trace.
    """
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            continue
        try:
            trace = read(path)
        except (FwmemtraceError, OSError) as error:
            skipped(path, error)
            continue
        for process in trace.processes:
            if process.path.resolve() not in seen:
                seen.add(process.path.resolve())
                yield process


def rows(processes: Iterable[TracedProcess], skipped: Callable[[Path, Exception], object]) -> Iterator[ProcessRows]:
    """Iterate over the rows of processes; a process whose beginning is damaged has none."""
    for process in processes:
        try:
            session = process.session()
            if session is None:
                raise FwmemtraceError(f"{process.path}: its first record is damaged")
            yield rows_of(session, process.report(0))
        except (FwmemtraceError, OSError) as error:
            skipped(process.path, error)
