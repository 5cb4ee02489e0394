"""Reads a memray capture: its records as plain tuples, and a stack only when it is asked for.

The compiled core parses the records, where it can; memray then reads no more than it needs to resolve stacks. memray is
imported here, when a capture is opened, and nowhere else on the reading side.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import CaptureError
from . import markers
from .compiled_records import outline_of, parser_for
from .frames import UNKNOWN, HybridFrame, PythonFrame
from .hybrid import hybrid_stack
from .native_frames import NativeFrames
from .native_records import NativeRecord, StackKey

Progress: TypeAlias = Callable[[int, int], None]  # records of a capture that were read, and all records

_BATCH = 1024  # how many record objects memray keeps for reuse
_DEPTH = 1000  # frames of a Python stack that are shown at most
_ERRORS_ONLY = 40  # as in `logging`
_FIELDS = attrgetter(
    "tid",
    "address",
    "size",
    "allocator",
    "stack_id",
    "n_allocations",
    "native_stack_id",
    "native_segment_generation",
)


class CaptureFile:
    """An open memray capture.

    Args:
        path: a capture with every record (`FileFormat.ALL_ALLOCATIONS`, memray's default).
        other_builds: paths of libraries that are other builds here than in the traced process, so that their symbols
            are not those of the capture.

    Attributes:
        native: whether C and C++ frames distinguish stacks, and are resolved: the capture has them, and wrong names can
            be kept out of them. They cannot where the interpreter is another build, because its names say where
            Python's frames belong; nor where any library is, and memray names the frames without their libraries.
        records: number of records, allocations and frees.
        own_thread: memray's number of the thread that started the tracker.
        unresolved: how many of the resolved stacks have native frames without a symbol.
        without_symbols: paths of the libraries that these frames are in, where known.
        pid: of the traced process.
        command: its command line.
        started_unix_ns: when the tracker started.
        wall_ns: how long it ran; 0 if it was not stopped.
        parser: the compiled core's, None where memray reads the records.
        peak_bytes: the most that was live at once by memray's count, mapped files included; 0 with a parser, whose fold
            counts it.

    Raises:
        CaptureError: if the file is missing, not a capture, aggregated, or written by another version of memray, or if
            memray is not installed.
    """

    def __init__(self, path: Path, *, other_builds: Collection[str] = ()) -> None:
        try:
            import memray
        except ImportError as error:
            raise CaptureError(
                f"{path}: reading a memray capture needs memray ({error}); install fwmemtrace[native]"
            ) from error
        if not path.exists():
            raise CaptureError(f"{path}: no such file")
        if not path.is_file():
            raise CaptureError(f"{path} is a folder, not a memray capture")
        self.parser = parser_for(path)
        try:
            self._reader: Any = memray.FileReader(str(path)) if self.parser is None else self._reader_of([])
            metadata = self._reader.metadata
        except Exception as error:
            raise CaptureError(
                f"{path} is not a capture that memray {_version()} can read ({error}); "
                "read a capture with the version of memray that wrote it"
            ) from error
        if metadata.file_format != memray.FileFormat.ALL_ALLOCATIONS:
            self._reader.close()
            raise CaptureError(
                f"{path} is an aggregated capture: without the order of the allocations it cannot be split by phase; "
                "record it again with `memray run` without --aggregate, or with memray.Tracker"
            )
        self.native: bool = metadata.has_native_traces
        if self.native:
            set_log_level: Any = vars(memray)["set_log_level"]  # public, but not in its stubs
            set_log_level(_ERRORS_ONLY)  # unresolved symbols are counted here, and reported once
            self.native = not any(map(_has_loop, other_builds)) if self.parser else not other_builds
        self._natives = NativeFrames(self.parser, other_builds) if self.native and self.parser else None
        self.records: int = metadata.total_allocations if self.parser is None else self.parser.records
        self.own_thread: int = metadata.main_thread_id
        self.peak_bytes: int = metadata.peak_memory if self.parser is None else 0
        self.pid: int = metadata.pid
        self.command: str = metadata.command_line
        self.started_unix_ns = round(metadata.start_time.timestamp() * 1e9)
        self.wall_ns = max(0, round((metadata.end_time - metadata.start_time).total_seconds() * 1e9))
        self.unresolved = 0
        self.without_symbols: set[str] = set()
        self._lens: Any = None
        self._numbers: dict[StackKey, int] | None = {}  # of the stacks that the lens knows; None if it knows all

    def __enter__(self) -> CaptureFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        if self.parser is not None:
            self.parser.close()

    def batches(self) -> Iterator[list[NativeRecord]]:
        """Yield all records in their order, some at a time, as memray reads them; not for a file with a parser."""
        records = iter(self._reader.get_allocation_records())
        first = next(records, None)
        if first is None:
            return
        self._lens = first
        tuples_of = _tuples_of(first)
        batch = tuples_of([first, *islice(records, _BATCH - 1)])
        while batch:
            yield batch
            batch = tuples_of(list(islice(records, _BATCH)))

    def prepare(self, keys: Collection[StackKey]) -> None:
        """Make ready to resolve these stacks. Any other one takes longer: the first needs all stacks to be read."""
        if self.parser is not None and self._numbers is not None and not self._numbers.keys() >= set(keys):
            self._read_stacks(keys)

    def _read_stacks(self, keys: Collection[StackKey] | None) -> None:
        reader = self._reader_of(keys)
        self._lens = next(iter(reader.get_allocation_records()))
        self._reader.close()
        self._reader = reader

    def _reader_of(self, keys: Collection[StackKey] | None) -> Any:
        """Return memray's reader of the outline of some stacks, of all if None."""
        from memray import FileReader

        assert self.parser is not None
        with outline_of(self.parser, keys) as (path, found):
            reader = FileReader(path)
        self._numbers = None if keys is None else found
        return reader

    def resident(self) -> list[int]:
        """Return the process's RSS over time, in bytes: memray reads it every 10 ms and keeps up to 10,000 readings."""
        return [snapshot.rss for snapshot in self._reader.get_memory_snapshots()]

    def marker_of(self, key: StackKey) -> markers.Marker | None:
        """Return the marker that a stack's innermost frame encodes, None for an ordinary stack."""
        frames = self._at(key).stack_trace(1)
        if not frames or frames[0][1] != markers.FILE:
            return None
        try:
            return markers.read_name(frames[0][0])
        except ValueError:
            return None

    def python_stack(self, key: StackKey) -> list[PythonFrame]:
        """Return the Python frames of a stack, innermost first."""
        frames: list[PythonFrame] = self._at(key).stack_trace(_DEPTH)
        return frames

    def hybrid_stack(self, key: StackKey) -> list[HybridFrame]:
        """Return the frames of a stack, C and C++ ones in their places among Python's, innermost first."""
        lens = self._at(key)
        stack, native, generation = key if isinstance(key, tuple) else (key, 0, 0)
        if self._natives is None or self.parser is None:
            natives = list(map(_by_memray, lens.native_stack_trace()))
            frames = list(map(_by_memray, lens.hybrid_stack_trace()))
        else:
            natives = self._natives.with_lines(native, generation)
            frames = hybrid_stack(lens.stack_trace(), self.parser.entry_frames(stack), natives)
        missing = [library for function, _, _, library in natives if function == UNKNOWN]
        if native and (missing or not natives):
            self.unresolved += 1
            self.without_symbols.update(path for path in missing if path is not None)
        return [frame for frame in frames if frame[0] != UNKNOWN or frame[3] is not None]

    def native_stack(self, key: StackKey, depth: int) -> list[HybridFrame]:
        """Return a stack's innermost C and C++ frames, at most `depth`: fast, for stacks that are not shown.

        With a parser they have no lines, and no inlined functions.
        """
        if self._natives is None:
            return list(map(_by_memray, self._at(key).native_stack_trace(depth)))
        return self._natives.named(key[1], key[2], depth)

    def _at(self, key: StackKey) -> Any:
        # A record finds its stack in its reader by the numbers that it consists of. So one record, initialised again
        # with other numbers, finds any stack, and none has to be kept for each.
        stack, native, generation = key if isinstance(key, tuple) else (key, 0, 0)
        if self.parser is not None:
            native = generation = 0
            if self._numbers is not None and key not in self._numbers:
                self._read_stacks(None)
            stack = stack if self._numbers is None else self._numbers[key]
        self._lens.__init__((0, 0, 0, 6, stack, 1, native, generation))
        return self._lens


def _has_loop(path: str) -> bool:
    return os.path.basename(path).startswith(("python", "libpython"))


def _by_memray(frame: PythonFrame) -> HybridFrame:
    function, file, line = frame
    return function, "" if file == UNKNOWN else file, line, None


def _tuples_of(first: Any) -> Callable[[list[Any]], list[NativeRecord]]:
    """Return what turns records into tuples, going by the first of them.

    A record keeps its fields in one tuple and hands them out attribute by attribute, which takes longer than reading
    the file. The garbage collector can list what an object refers to: so the tuples of many records come in one call.
    """
    held = gc.get_referents(first)
    fields: NativeRecord = _FIELDS(first)
    at = next((place for place, found in enumerate(held) if found == fields), None)
    if at is None:  # a version of memray that keeps them in another way
        return lambda records: list(map(_FIELDS, records))
    return lambda records: gc.get_referents(*records)[at :: len(held)]


def _version() -> str:
    from importlib.metadata import version

    return version("memray")
