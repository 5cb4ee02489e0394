"""Writes every record to several sinks, of which one that fails does not affect the others."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import SinkError
from ..records import Note, Record
from .base import Sink, after_fork, close


class FanOutSink:
    """Writes to each of its sinks. A sink that raises is dropped, with a note to the others.

    Args:
        sinks: at least one.

    Attributes:
        failures: what each dropped sink raised, by the name of its class.
    """

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = list(sinks)
        self.failures: dict[str, str] = {}

    @property
    def path(self) -> str | None:
        """The path of the first file that one of them writes; None if none does."""
        paths = (getattr(sink, "path", None) for sink in self._sinks)
        return next((path for path in paths if isinstance(path, str)), None)

    @property
    def lost(self) -> int:
        """The number of records that its sinks have lost for want of room, of the one that lost the most."""
        return max((getattr(sink, "lost", 0) for sink in self._sinks), default=0)

    def write(self, record: Record) -> None:
        self._each(lambda sink: sink.write(record))

    def after_fork(self, pid: int) -> None:
        self._each(lambda sink: after_fork(sink, pid))

    def close(self) -> None:
        self._each(close)

    def _each(self, action: Callable[[Sink], object]) -> None:
        for sink in list(self._sinks):
            try:
                action(sink)
            except Exception as error:
                self._drop(sink, error)
        if not self._sinks:
            raise SinkError(f"every sink failed: {self.failures}")

    def _drop(self, sink: Sink, error: Exception) -> None:
        self._sinks.remove(sink)
        name = type(sink).__name__
        self.failures[name] = repr(error)
        note = Note(0, name, f"switched off: {error!r}")
        for other in list(self._sinks):
            try:
                other.write(note)
            except Exception as second:  # its own next call will drop it
                self.failures.setdefault(type(other).__name__, repr(second))
