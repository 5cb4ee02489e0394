"""Keeps a trace below a size: it is written in parts, of which the first and the newest are kept.

A part that others have been dropped before must be understood without them. So it begins with what happened in those
before it and still matters: phases that are open, ends of phases that the first part began, and how many calls there
were of each phase.
"""

from __future__ import annotations

import os

from ..errors import SinkError
from ..foreign_errors import pass_on
from ..records import (
    CallTotals,
    CaptureChunk,
    PhaseBegin,
    PhaseEnd,
    Record,
    SessionBegin,
    TracePart,
    UnmeasuredCalls,
)
from ..tracefile.encode import frame
from ..tracefile.layout import part_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .append_file import AppendFile

_PARTS = 8
_MOST_PATHS = 1024  # of phases whose calls are counted
_DEEPEST = 128  # phases are nested; deeper ones have no row in a report
_TRIES = 10_000


class _Path:
    """One path of phases, and the calls of it that have ended."""

    __slots__ = ("calls", "children", "depth", "errors", "name", "parent", "wall_ns")

    def __init__(self, parent: _Path | None, name: str) -> None:
        self.parent = parent
        self.name = name
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.children: dict[str, _Path] = {}
        self.calls = self.wall_ns = 0
        self.errors: dict[str, int] = {}

    def add(self, calls: int, wall_ns: int, errors: dict[str, int]) -> None:
        self.calls += calls
        self.wall_ns += wall_ns
        for name, count in errors.items():
            self.errors[name] = self.errors.get(name, 0) + count

    def totals(self) -> CallTotals:
        names: list[str] = []
        path: _Path = self
        while path.parent is not None:
            names.append(path.name)
            path = path.parent
        return CallTotals(names[::-1], self.calls, self.wall_ns, self.errors)


class _Call:
    """One call of a phase."""

    __slots__ = ("around", "begin", "end", "in_first", "path")

    def __init__(self, begin: PhaseBegin, around: _Call | None, path: _Path | None, *, in_first: bool) -> None:
        self.begin = begin
        self.end: PhaseEnd | None = None
        self.around = around if path is not None else None  # tasks that start each other make endless chains
        self.path = path
        self.in_first = in_first


class TraceParts:
    """The parts of one process's trace, for a sink that calls it under a lock.

    Args:
        file: the first part.
        max_size: of all parts together, in bytes.
    """

    def __init__(self, file: AppendFile, max_size: int) -> None:
        path = self._path = file.path
        self._kind = type(file)
        # Of one part. One more than there are is for what a part begins with, and for what is reserved at its end.
        self._size = max(max_size // (_PARTS + 1), 1)
        self._full: list[tuple[str, int]] = []  # parts behind the first that are complete, with their sizes
        self._room = max_size - 2 * self._size  # for those, and the one that is being written
        self._current = (path, 0)
        self._number = 1
        self._file_number = 1
        self._may_end_at = self._size
        self._session: SessionBegin | None = None
        self._records = self._first_records = 0
        self._root = _Path(None, "")
        self._paths = 0
        self._open: dict[int, _Call] = {}  # by span
        self._ended: list[PhaseEnd] = []  # of calls that began in the first part, since
        self._splits = file.is_new  # not /dev/null

    def is_full(self, record: Record, size: int) -> bool:
        """Tell whether a record has to go to a new part. Captures of other tools are moved into one part as a whole."""
        return (
            self._splits
            and self._current[1] + size > self._may_end_at
            and self._records > 0
            and type(record) is not CaptureChunk
        )

    def add(self, record: Record, size: int) -> None:
        """Take note of a record of this size that goes to the current part."""
        kind = type(record)
        if kind is PhaseBegin:
            self._begin(record)  # type: ignore[arg-type]
        elif kind is PhaseEnd:
            self._end(record)  # type: ignore[arg-type]
        elif kind is UnmeasuredCalls:
            path: _Path | None = self._root
            for name in record.path:  # type: ignore[attr-defined]
                path = self._inside(path, name)
            if path is not None:
                path.add(record.calls, record.wall_ns, record.errors)  # type: ignore[attr-defined]
        elif kind is SessionBegin:
            self._session = record  # type: ignore[assignment]
        elif kind is CaptureChunk:
            size = 0
        self._records += 1
        self._current = self._current[0], self._current[1] + size

    def _begin(self, record: PhaseBegin) -> None:
        around = self._open.get(record.parent)
        path = self._inside(self._root if around is None else around.path, record.name)
        self._open[record.span] = _Call(record, around, path, in_first=self._number == 1)

    def _end(self, record: PhaseEnd) -> None:
        call = self._open.pop(record.span, None)
        if call is None:
            return
        call.end = record
        if call.path is not None:
            errors = {} if record.error is None else {record.error: 1}
            call.path.add(1, record.time_ns - call.begin.time_ns, errors)
        if call.in_first and self._number > 1:
            self._ended.append(record)

    def _edges(self) -> list[PhaseBegin | PhaseEnd]:
        """Return what parts behind the first have of calls that matter: those that are open, and those around them."""
        edges: dict[int, list[PhaseBegin | PhaseEnd]] = {}
        for call in self._open.values():
            around: _Call | None = call
            while around is not None and around.begin.span not in edges:
                if not around.in_first:
                    edges[around.begin.span] = [around.begin, *([] if around.end is None else [around.end])]
                around = around.around
        found = [edge for pair in edges.values() for edge in pair]
        return sorted([*self._ended, *found], key=lambda edge: (edge.time_ns, type(edge) is PhaseEnd))

    def _inside(self, path: _Path | None, name: str) -> _Path | None:
        """Return a path inside another one; None if there are too many, or it is too deep."""
        if path is None or path.depth >= _DEEPEST:
            return None
        found = path.children.get(name)
        if found is None and self._paths < _MOST_PATHS:
            self._paths += 1
            found = path.children[name] = _Path(path, name)
        return found

    def next_file(self) -> AppendFile:
        """Create the file of the next part, which begins with `start`, and is written to once it `began`.

        Raises:
            SinkError: if it cannot be created. Then the current part goes on for a while.
        """
        self._may_end_at = self._current[1] + self._size
        try:
            return self._create()
        except OSError as error:
            pass_on(error)
            raise SinkError(f"{self._path} cannot go on in a new part: {error.strerror}") from error

    def began(self, path: str, size: int) -> None:
        """From now on, records go to the next part, which has this size; drop the oldest as far as there is no room."""
        if self._number == 1:
            self._first_records = self._records
        else:
            self._full.append(self._current)
        self._number += 1
        self._current = path, size
        self._may_end_at = max(self._size, size + self._size // 2)  # many phases alone may fill a small part
        while self._full and sum(size for _, size in self._full) + self._size > self._room:
            name, _ = self._full.pop(0)
            try:
                os.unlink(name)
            except OSError as error:  # whoever removed it has made room
                pass_on(error)

    def _create(self) -> AppendFile:
        for _ in range(_TRIES):
            self._file_number += 1
            try:
                return self._kind(part_path(self._path, self._file_number))
            except FileExistsError:  # of an earlier trace of this name, which somebody has removed since
                pass
        raise FileExistsError("there are too many parts")

    def start(self, time_ns: int) -> bytes:
        """Return the frames with which the next part begins, behind its header."""
        session = self._session
        repeated: list[Record] = [*self._edges()]
        waiting = [self._root]
        while waiting:
            path = waiting.pop()
            waiting += path.children.values()
            if path.calls:
                repeated.append(path.totals())
        part = TracePart(
            session.session_id if session else "",
            session.pid if session else 0,
            session.time_ns if session else 0,
            self._number + 1,
            time_ns,
            self._records,
            self._records if self._number == 1 else self._first_records,
            len(repeated),
        )
        return b"".join(map(frame, [part, *repeated]))
