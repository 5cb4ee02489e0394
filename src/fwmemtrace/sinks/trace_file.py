"""Writes the trace file, trace.bin: the default sink."""

from __future__ import annotations

import os
from _thread import RLock
from time import monotonic, perf_counter_ns

from ..errors import SinkError
from ..records import Note, Record, SessionBegin
from ..system.descriptors import close, open_marked
from ..system.family import family as own_family
from ..tracefile.encode import frame, header
from ..tracefile.first_record import first_record
from ..tracefile.layout import HEADER_LOST, HEADER_LOST_AT
from .append_file import AppendFile
from .file_names import absolute, create, worker_path
from .mapped_file import MappedFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core._compiled import TraceWindow
    from .trace_parts import TraceParts

_TELL_EVERY_S = 0.5


class TraceFileSink:
    """Writes each record as one frame, which reaches the kernel immediately, so a SIGKILL loses nothing.

    While there is no room for a record, it is lost and counted; recording goes on once there is room. The file's header
    has the number of records that were lost, and a note tells of each gap.

    Args:
        path: the file. If it exists, the new one gets a number behind its name, such as `trace-2.bin`.
        overwrite: whether an existing file is replaced instead.
        family: which processes belong together; by default what `system.family` says. If the existing file was written
            by another process of this family, the new one has this process's id behind its name, and belongs to that
            session.
        max_size: of the trace in bytes, 0 for no limit. It is written in parts, and the oldest ones but the first are
            removed; captures of other tools, which a clean stop moves into it, come on top.

    Attributes:
        asked: the absolute path of the file that was asked for.
        path: the absolute path of the file that is written; after a fork, of the worker's own. None for a device.
        first_path: that of the first process of the session.
        session_id: the id of the session that the existing file belongs to; None if this is a session of its own.
        lost: the number of records for which there was no room.

    Raises:
        SinkError: if the file cannot be created.
    """

    options = ("overwrite", "family", "max_size")

    def __init__(
        self,
        path: str | os.PathLike[str] = "trace.bin",
        *,
        overwrite: bool = False,
        family: str | None = None,
        max_size: int = 0,
    ) -> None:
        self.asked = absolute(path)
        self.session_id: str | None = None
        self.first_path = ""
        self._family = family
        self._max_size = max_size
        self._kind: type[AppendFile] = AppendFile if max_size else MappedFile  # a window is larger than a part may be
        self._use(create(self.asked, overwrite=overwrite, related=self._joins, kind=self._kind))
        self.first_path = self.first_path or self._file.path
        if self._behind:
            self._file.close()
            if self._file.is_new:  # not a device, which stays
                os.unlink(self._file.path)
            raise SinkError(f"{self._file.path} cannot be written: {self._file.reason}")

    def _use(self, file: AppendFile) -> None:
        self._file = file
        self._append = file.append
        self.path = file.path if file.is_new else None
        self.lost = self._gap = 0
        self._told_at = 0.0
        self._lock = RLock()
        self._parts: TraceParts | None = None
        if self._max_size:
            from .trace_parts import TraceParts

            self._parts = TraceParts(file, self._max_size)
        self._begin_file(header(os.getpid()))

    def _begin_file(self, start: bytes) -> None:
        self._start = start  # what must come before all else, and is not in the file yet
        self._behind = not self._file.append(start)  # whether something is to be written before the next record
        if not self._behind:
            self._start = b""

    @property
    def window(self) -> TraceWindow | None:
        """Where frames may be copied past `write`; None without windows, or in a subclass, which may look at them."""
        return getattr(self._file, "window", None) if type(self) is TraceFileSink else None

    def _joins(self, path: str) -> bool:
        """Tell whether an existing file is that of the session to which this process belongs."""
        if self._family is None:
            self._family = own_family()
        if not self._family:
            return False
        number = open_marked(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            begin = first_record(number)
        finally:
            close(number)
        if begin is None or begin.family != self._family or begin.pid == os.getpid():
            return False
        self.session_id, self.first_path = begin.session_id, path
        return True

    def write(self, record: Record) -> None:
        whole = frame(record)
        if self._parts is not None:
            with self._lock:  # so that each part begins with what was in those before
                self._write_to_part(record, whole, self._parts)
        elif self._behind or not self._append(whole):
            with self._lock:
                self._write_after_gap(record, whole)

    def _write_to_part(self, record: Record, whole: bytes, parts: TraceParts) -> None:
        if not self._behind and parts.is_full(record, len(whole)):
            try:
                file = parts.next_file()
            except SinkError:  # the folder is gone, say: this part continues, and the next one is tried later
                pass
            else:
                # A signal handler may raise anywhere in here: a part is complete before anything is written to it.
                start = header(os.getpid(), self.lost) + parts.start(perf_counter_ns())
                before, is_there = self._file, file.append(start)
                self._file, self._append = file, file.append
                self._start, self._behind = (b"", False) if is_there else (start, True)
                parts.began(file.path, len(start))
                before.close()
        parts.add(record, len(whole))
        if self._behind or not self._append(whole):
            self._write_after_gap(record, whole)

    def _write_after_gap(self, record: Record, whole: bytes) -> None:
        before = self._start
        if self._gap:
            count = "1 record was" if self._gap == 1 else f"{self._gap} records were"
            text = f"{count} lost: {self._file.reason}"
            before += frame(Note(perf_counter_ns(), "trace file", text))
        if self._file.append(before + whole):
            self._start, self._gap, self._behind = b"", 0, False
            return
        self._behind = True
        self.lost += 1
        if isinstance(record, SessionBegin):
            self._start += whole  # nothing after it can be understood without it
        else:
            self._gap += 1
        if (now := monotonic()) - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            self._tell_lost()

    def _tell_lost(self) -> None:
        self._file.overwrite(HEADER_LOST_AT, HEADER_LOST.pack(min(self.lost, 2**32 - 1)))

    def after_fork(self, pid: int) -> None:
        self._file.forget()
        path = self.asked if self.path is None else worker_path(self.first_path, pid)
        self._use(create(path, kind=self._kind))

    def forget(self) -> None:
        self._file.forget()

    def close(self) -> None:
        if self.lost:
            self._tell_lost()
        self._file.close()
