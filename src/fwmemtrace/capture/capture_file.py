"""Reads a memray capture: its records as plain tuples, and stacks only for those that are asked for.

memray is imported here, when a capture is opened, and nowhere else on the reading side.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import CaptureError
from . import markers
from .frames import Frame, FrameResolver, WholeFrame, without_symbol
from .symbol_hook import with_libraries

_BATCH = 1024  # as many record objects as memray keeps for use again
_ERRORS_ONLY = 40  # as in `logging`
# Thread, address, size, allocator, Python stack, number of allocations, native stack, generation of its libraries.
Row: TypeAlias = tuple[int, int, int, int, int, int, int, int]
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
        path: the capture, one with every record (`FileFormat.ALL_ALLOCATIONS`, memray's own default).
        other_builds: paths of libraries that are other builds here than in the traced process, so that their symbols
            are not those of the capture.

    Attributes:
        native: whether stacks are told apart, and resolved, by their C and C++ frames too: where the capture has them,
            and they can be kept from getting wrong names.
        records: how many there are, allocations and frees.
        own_thread: memray's number of the thread that started the tracker.
        unresolved: how many of the stacks that were asked for have native frames that memray has no symbol for.
        nameless: the libraries that these frames are in, by their paths, where that is known.
        pid: of the process.
        command: its command line.
        started_unix_ns: when the tracker started.
        wall_ns: how long it ran; 0 if it was not stopped.
        peak_bytes: the most that was live at once by memray's count, mapped files included.

    Raises:
        CaptureError: if it is missing, no capture, one of another version of memray, or an aggregated one, or if
            memray is not installed.
    """

    def __init__(self, path: Path, *, other_builds: Collection[str] = ()) -> None:
        try:
            import memray
        except ImportError as error:
            raise CaptureError(
                f"found that memray cannot be imported ({error}), expected it for {path}: install fwmemtrace[native]"
            ) from error
        if not path.is_file():
            raise CaptureError(f"found no file {path}, expected a memray capture: give the path of one")
        try:
            self._reader = memray.FileReader(str(path))
            metadata = self._reader.metadata
        except Exception as error:
            raise CaptureError(
                f"found that memray {_version()} cannot read {path} ({error}), expected a capture of that "
                "version: read it with the version that wrote it"
            ) from error
        if metadata.file_format != memray.FileFormat.ALL_ALLOCATIONS:
            self._reader.close()
            raise CaptureError(
                f"found aggregated records in {path}, expected one for each allocation: capture without --aggregate"
            )
        self.native: bool = metadata.has_native_traces
        if self.native:
            set_log_level: Any = vars(memray)["set_log_level"]  # public, but not in its stubs
            set_log_level(_ERRORS_ONLY)  # what it cannot resolve is counted, and said once
            self._frames = FrameResolver(other_builds)
            self.native = self._frames.usable
        self.records: int = metadata.total_allocations
        self.own_thread: int = metadata.main_thread_id
        self.peak_bytes: int = metadata.peak_memory
        self.pid: int = metadata.pid
        self.command: str = metadata.command_line
        self.started_unix_ns = round(metadata.start_time.timestamp() * 1e9)
        self.wall_ns = max(0, round((metadata.end_time - metadata.start_time).total_seconds() * 1e9))
        self.unresolved = 0
        self.nameless: set[str] = set()
        self._lens: Any = None

    def __enter__(self) -> CaptureFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def batches(self) -> Iterator[list[Row]]:
        """All records in their order, as the tuples that memray makes of them (`Row`)."""
        records = iter(self._reader.get_allocation_records())
        first = next(records, None)
        if first is None:
            return
        rows_of = _rows_of(first)
        batch = [first, *islice(records, _BATCH - 1)]
        rows = rows_of(batch)
        self._lens = first
        while rows:
            yield rows
            rows = rows_of(list(islice(records, _BATCH)))

    def resident(self) -> list[int]:
        """The process's RSS over time: memray reads it a hundred times a second, and keeps ten thousand readings."""
        return [snapshot.rss for snapshot in self._reader.get_memory_snapshots()]

    def mark_of(self, key: Any) -> markers.Marker | None:
        """What mark a stack is of, if it is one's."""
        frames = self._at(key).stack_trace(1)
        if not frames or frames[0][1] != markers.FILE:
            return None
        try:
            return markers.read_name(frames[0][0])
        except ValueError:
            return None

    def python_stack(self, key: Any) -> list[Frame]:
        """The Python frames of a stack, innermost first."""
        frames: list[Frame] = self._at(key).stack_trace(1000)
        return frames

    def whole_stack(self, key: Any) -> list[WholeFrame]:
        """The frames of a stack, C and C++ ones in their places among Python's, innermost first."""
        lens = self._at(key)
        with with_libraries():
            native = lens.native_stack_trace()
            whole = lens.hybrid_stack_trace()
        nameless = without_symbol(native)
        if key[1] and (nameless or not native):
            self.unresolved += 1
            self.nameless.update(path for path in nameless if path is not None)
        return self._frames.whole(whole)

    def native_stack(self, key: Any, depth: int) -> list[WholeFrame]:
        """The innermost C and C++ frames of a stack, so many at most, Python's and those inlined left out.

        Fast, for stacks that are not shown: what `whole_stack` tells afterwards of the same frames has no lines.
        """
        with with_libraries(lines=False):
            return self._frames.whole(self._at(key).native_stack_trace(depth))

    def _at(self, key: Any) -> Any:
        # A record finds its stack by the numbers it was made of, in the reader that it came from. So one record, given
        # other numbers, finds any stack, and none needs to be kept for each.
        stack, native, generation = key if isinstance(key, tuple) else (key, 0, 0)
        self._lens.__init__((0, 0, 0, 6, stack, 1, native, generation))
        return self._lens


def _rows_of(first: Any) -> Callable[[list[Any]], list[Row]]:
    """How to get at what records hold, going by the first of them.

    memray keeps it as one tuple, and hands it out attribute by attribute, which takes longer than reading the file.
    The collector can ask an object what it refers to: so the tuples of many records come in one call.
    """
    held = gc.get_referents(first)
    fields: Row = _FIELDS(first)
    at = next((place for place, found in enumerate(held) if found == fields), None)
    if at is None:  # a memray that keeps it in another way
        return lambda records: list(map(_FIELDS, records))
    return lambda records: gc.get_referents(*records)[at :: len(held)]


def _version() -> str:
    from importlib.metadata import version

    return version("memray")
