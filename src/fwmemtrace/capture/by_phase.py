"""Reads memray captures by phase: as rows for a report, and as samples of all stacks."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from itertools import starmap
from pathlib import Path
from types import TracebackType

from .. import results
from ..system.garbage_collector import CollectorPaused
from . import capture_file
from .capture_file import CaptureFile, Progress
from .compiled_fold import CompiledFold
from .fold import CaptureFold
from .frames import HybridFrame, PythonFrame
from .largest import LargestStacks, largest_stacks
from .library_names import UNKNOWN_LIBRARY, library_of
from .native_records import StackKey
from .rows import CaptureSummary, add_up, build_rows
from .samples import StackSample, samples
from .stacks import ReadableStack, make_readable, package_of_stack, readable_frames, requesting_library
from .thread_phases import RunEnded

_STEPS = 100  # at most, in which the core reads a capture: progress is reported in between
_NAMED = 5  # how many libraries a note names
_DEPTH = 16  # innermost C and C++ frames that decide the library: enough to see past the allocators


class LocalCapture:
    """An open memray capture, split by the phases whose markers are in it; without markers it is one row, `()`.

    It is read in this process, which a damaged capture can end; `isolated.IsolatedCapture` reads it in another one.

    `summary` and `samples` cover what was read so far, and can be asked any number of times: before `read`, inside
    its progress callback, and after it.

    Args:
        path: the capture.
        other_builds: paths of libraries that are other builds here than in the traced process: C and C++ frames in them
            get no names.
        run_ended: called at the end of each run of a phase with its path, the bytes that all runs of that path hold
            then, and those that this one holds.

    Attributes:
        file: the capture itself.

    Raises:
        CaptureError: if it cannot be read, or cannot be split by phase.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        other_builds: Collection[str] = (),
        run_ended: RunEnded | None = None,
    ) -> None:
        self.file = CaptureFile(Path(path), other_builds=other_builds)
        self._other_builds = other_builds
        own_thread, native = self.file.own_thread, self.file.native
        self._fold: CaptureFold | CompiledFold
        if self.file.parser is None:
            self._fold = CaptureFold(self.file.marker_of, own_thread, run_ended, native=native)
        else:
            self._fold = CompiledFold(self.file.parser, own_thread, run_ended, native=native)
        self._stacks: dict[StackKey, ReadableStack] = {}
        self._read = 0
        self._interrupted = False

    def __enter__(self) -> LocalCapture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._fold.release()
        self.file.__exit__(kind, error, traceback)

    def read(self, progress: Progress | None = None) -> None:
        """Read all records. A KeyboardInterrupt ends it early, and a note in the summary says how far it got.

        Args:
            progress: called now and then with the number of records read so far and of all records.
        """
        with CollectorPaused():
            try:
                for count in self._steps():
                    self._read += count
                    if progress is not None:
                        progress(self._read, self.file.records)
            except KeyboardInterrupt:
                self._interrupted = True

    def _steps(self) -> Iterator[int]:
        """Read some records at a time, and yield how many."""
        if isinstance(self._fold, CompiledFold):
            most = max(capture_file._BATCH, self.file.records // _STEPS)
            while count := self._fold.feed(most):
                yield count
        else:
            for batch in self.file.batches():
                self._fold.feed(batch)
                yield len(batch)

    def summary(self, top: int = 10) -> CaptureSummary:
        """Return what was read so far by phase.

        Args:
            top: how many stacks to resolve for each phase.
        """
        with CollectorPaused():
            rows = build_rows(
                self._fold,
                top,
                self._resolve,
                lambda key: package_of_stack(self.file.python_stack(key)),
                self._library_at if self.file.native else None,
                self.file.prepare,
            )
        files: dict[str, int] = {}
        for mapping, size in self._fold.mapped.file_backed():
            path = str(mapping.file)
            files[path] = files.get(path, 0) + size
        phases = self._fold.phases
        peak = self._fold.peak_bytes if isinstance(self._fold, CompiledFold) else self.file.peak_bytes
        complete = self._read == self.file.records
        return CaptureSummary(
            rows=rows,
            totals=add_up(rows.values(), peak),
            markers=self._fold.markers,
            marker_bytes=self._fold.marker_bytes,
            memray_peak_bytes=peak,
            mapped_files=files,
            calls={path: phases.tallies[path].runs for path in rows if path},
            complete=complete,
            stopped=not phases.session_open,
            notes=list(self._notes(complete)),
        )

    def samples(self) -> Iterator[StackSample]:
        """Yield every stack of every phase with its figures, as of what was read so far. See `StackSample`."""
        return samples(self._fold, self._readable)

    def largest_stacks(self, most: int) -> LargestStacks:
        """Return the stacks with the largest shares of their phases, as of what was read so far."""
        with CollectorPaused():
            return largest_stacks(self._fold, self._readable, self.file.prepare, most)

    def frames_at(self, key: StackKey) -> Iterator[results.Frame]:
        """Yield the frames of a sample's stack, innermost first, as a report shows them."""
        return starmap(results.Frame, self._readable(key))

    def _readable(self, key: StackKey) -> Iterable[HybridFrame]:
        return readable_frames(*self._frames(key))

    def _frames(self, key: StackKey) -> tuple[list[PythonFrame], list[HybridFrame] | None]:
        return self.file.python_stack(key), self.file.hybrid_stack(key) if self.file.native else None

    def _resolve(self, key: StackKey) -> ReadableStack:
        stack = self._stacks.get(key)
        if stack is None:
            stack = self._stacks[key] = make_readable(*self._frames(key))
        return stack

    def _library_at(self, key: StackKey) -> str:
        return requesting_library(self.file.native_stack(key, _DEPTH)) or UNKNOWN_LIBRARY

    def _notes(self, complete: bool) -> Iterator[str]:
        if self._interrupted:
            yield f"interrupted after {self._read} of {self.file.records} records; the figures cover these only"
        if self._fold.phases.session_open and complete:
            yield "the capture was not completed, because the process was killed; the last records may be missing"
        if self.file.unresolved:
            yield _without_symbols(self.file.unresolved, len(self._stacks), self.file.without_symbols)
        if not self._fold.mapped.was_read:
            yield (
                "the capture does not tell mapped files from memory: mappings whose size is not a multiple of the page "
                "size count as files, all others as memory"
            )
        if self._other_builds:
            yield _of_other_builds(self._other_builds, self.file.native)


def read_capture(
    path: str | os.PathLike[str],
    *,
    top: int = 10,
    other_builds: Collection[str] = (),
    progress: Progress | None = None,
    run_ended: RunEnded | None = None,
) -> CaptureSummary:
    """Read a memray capture by phase, in this process. `isolated.read_rows` does the same in another one.

    Args:
        path: the capture.
        top: how many stacks to resolve for each phase.
        other_builds: as for `LocalCapture`.
        progress: as for `LocalCapture.read`.
        run_ended: as for `LocalCapture`.

    Raises:
        CaptureError: if it cannot be read, or cannot be split by phase.
    """
    with LocalCapture(path, other_builds=other_builds, run_ended=run_ended) as capture:
        capture.read(progress)
        return capture.summary(top)


def samples_of(
    path: str | os.PathLike[str], *, other_builds: Collection[str] = (), progress: Progress | None = None
) -> Iterator[StackSample]:
    """Yield every stack of every phase of a memray capture with its figures. See `StackSample`.

    It is read in this process. `isolated.open_samples` does the same in another one.

    The capture is closed after the last sample; stacks can be resolved until then.

    Args:
        path: the capture.
        other_builds: as for `LocalCapture`.
        progress: as for `LocalCapture.read`.

    Raises:
        CaptureError: at the first sample, if it cannot be read, or cannot be split by phase.
    """
    with LocalCapture(path, other_builds=other_builds) as capture:
        capture.read(progress)
        yield from capture.samples()


def _of_other_builds(paths: Collection[str], native: bool) -> str:
    names = sorted({library_of(path) for path in paths})
    effect = (
        "their functions have no names" if native else "there are no C and C++ frames, as their names would be wrong"
    )
    return (
        f"{len(paths)} of the traced process's libraries are other builds here ({_listed(names)}): {effect}. Read the "
        "trace where the program ran, or in the same image"
    )


def _without_symbols(stacks: int, shown: int, paths: Collection[str]) -> str:
    names = sorted({library_of(path) for path in paths})
    unnamed = f"{stacks} of {shown} stacks have C or C++ frames without a symbol"
    if not names:
        return f"{unnamed}, which are left out: their libraries are stripped, or not on this machine"
    return f"{unnamed}: {_listed(names)} {'is' if len(names) == 1 else 'are'} stripped, or not on this machine"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
