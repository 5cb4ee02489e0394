"""The one door to the sink: nothing that a sink raises gets past it."""

from __future__ import annotations

import threading
import warnings

from ..records import Record
from ..sinks.base import Sink


def warn(message: str) -> None:
    """Warn, also where warnings are errors: the traced program must not see one of ours as an exception."""
    try:
        warnings.warn(f"fwmemtrace: {message}", RuntimeWarning, stacklevel=3)
    except RuntimeWarning:
        pass


class SinkGuard:
    """Writes records to a sink until it fails, and counts those that were lost.

    Attributes:
        lost: how many records reached no sink.
        failure: what the sink raised, if it did.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.lost = 0
        self.failure: str | None = None
        self._write = sink.write
        self._lock = threading.Lock()

    @property
    def path(self) -> str | None:
        """The file that the sink writes, if it writes one."""
        path = getattr(self.sink, "path", None)
        return path if isinstance(path, str) else None

    def emit(self, record: Record) -> None:
        """Write one record; never raises."""
        try:
            self._write(record)
        except RecursionError:  # the program is at its limit, where no sink could do better
            self.lost += 1
        except Exception as error:
            self._fail(error)

    def after_fork(self, pid: int) -> None:
        """This is a forked worker: the sink starts over, or goes on as it is if it does not care."""
        self._lock = threading.Lock()
        self.lost = 0
        try:
            after_fork = getattr(self.sink, "after_fork", None)
            if after_fork is not None:
                after_fork(pid)
        except Exception as error:
            self._fail(error)

    def close(self) -> None:
        """Flush and close the sink; what comes later is dropped."""
        write, self._write = self._write, _drop
        if write == self._count_lost:
            return
        try:
            self.sink.flush()
            self.sink.close()
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self.lost += 1
            if self.failure is not None:
                return
            self.failure = repr(error)
        self._write = self._count_lost
        warn(
            f"the sink {type(self.sink).__name__} raised {error!r} and was switched off; records are lost from here on"
        )
        try:
            self.sink.close()
        except Exception as second:
            warn(f"the sink {type(self.sink).__name__} could not be closed either: {second!r}")

    def _count_lost(self, record: Record) -> None:
        self.lost += 1


def _drop(record: Record) -> None:
    """What a thread still emits after the session is over belongs to no trace."""
