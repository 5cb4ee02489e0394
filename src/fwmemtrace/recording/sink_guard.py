"""The session's only access to its sink: what the sink raises stays in here."""

from __future__ import annotations

from _thread import RLock
from time import perf_counter_ns

from ..errors import RecordError, warn
from ..foreign_errors import is_the_programs
from ..records import Note, Record
from ..sinks.base import Sink, after_fork, close


class SinkGuard:
    """Writes records to a sink until the sink raises, and counts the records that are lost.

    Attributes:
        failure: what the sink raised; None while it works.
    """

    def __init__(self, sink: Sink) -> None:
        self._lost = 0
        self.failure: str | None = None
        self._sink = sink
        self._write = sink.write
        self._lock = RLock()  # a signal handler may run a phase inside it
        self._left_out = False

    @property
    def lost(self) -> int:
        """The number of records that did not reach the sink, or that it had no room for."""
        return self._lost + self._without_room

    @property
    def trouble(self) -> str | None:
        """Why records did not reach the sink: what it raised, or that it had no room; None if all of them did."""
        if self.failure is None and self._without_room:
            return f"no room for {self._without_room} records"
        return self.failure

    @property
    def _without_room(self) -> int:
        lost = getattr(self._sink, "lost", 0)
        return lost if isinstance(lost, int) else 0

    @property
    def path(self) -> str | None:
        """The path of the file that the sink writes; None if it writes none."""
        path = getattr(self._sink, "path", None)
        return path if isinstance(path, str) else None

    def window(self) -> object:
        """Return where frames may be copied to, past `emit`; None if the sink takes records only, or is closed."""
        return getattr(self._sink, "window", None) if self._write == self._sink.write else None

    def emit(self, record: Record) -> None:
        """Write one record; never raises."""
        try:
            self._write(record)
        except RecordError as error:
            self._leave_out(error)
        except (RecursionError, MemoryError):  # the program is at its limit, where no sink could do better
            self._lost += 1
        except Exception as error:
            if is_the_programs(error):
                raise
            if self._write is not _drop:  # else it was closed while this thread was on its way to it
                self._fail(error)

    def after_fork(self, pid: int) -> None:
        """This is a forked worker: let the sink start over, if it can."""
        self._lock = RLock()
        self._lost = 0
        try:
            after_fork(self._sink, pid)
        except Exception as error:
            if is_the_programs(error):
                raise
            self._fail(error)

    def forget(self) -> None:
        """This is a forked child that is not traced: leave what the sink has open to the parent, and drop records."""
        self._write = _drop
        action = getattr(self._sink, "forget", None)
        if action is not None:
            action()

    def close(self) -> None:
        """Close the sink. Later records are dropped. If a signal handler raises in the middle of it, call it again."""
        write, self._write = self._write, _drop
        if write == self._count_lost:
            return
        try:
            close(self._sink)
        except Exception as error:
            if is_the_programs(error):
                raise
            self._fail(error)

    def _leave_out(self, error: RecordError) -> None:
        """Count a record that cannot be written. The first one is noted in the trace."""
        self._lost += 1
        if not self._left_out:
            self._left_out = True
            self.emit(Note(perf_counter_ns(), type(self._sink).__name__, f"a record was left out: {error}"))

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._lost += 1
            if self.failure is not None:
                return
            self.failure = repr(error)
        self._write = self._count_lost
        name = type(self._sink).__name__
        warn(f"the sink {name} raised {error!r} and was switched off; later records are lost")
        try:
            close(self._sink)
        except Exception as second:
            if is_the_programs(second):
                raise
            warn(f"the sink {name} raised {second!r} when it was closed")

    def _count_lost(self, record: Record) -> None:
        self._lost += 1


def _drop(record: Record) -> None:
    """Ignore what a thread still emits after the end of the session."""
