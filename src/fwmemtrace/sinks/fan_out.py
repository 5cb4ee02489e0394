"""Writes every record to several sinks. One that fails does not affect the others."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import SinkError
from ..foreign_errors import is_the_programs
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
        return self._of_file("path")

    @property
    def first_path(self) -> str | None:
        """The path of that file in the first process of the session."""
        return self._of_file("first_path") or self.path

    @property
    def session_id(self) -> str | None:
        """The id of the session that this file joins; None if it is the first of its own."""
        return self._of_file("session_id")

    @property
    def lost(self) -> int:
        """The number of records for which there was no room, in the sink that lost the most."""
        return max((getattr(sink, "lost", 0) for sink in self._sinks), default=0)

    def write(self, record: Record) -> None:
        self._each(lambda sink: sink.write(record))

    def after_fork(self, pid: int) -> None:
        self._each(lambda sink: after_fork(sink, pid))

    def close(self) -> None:
        self._each(close)

    def _of_file(self, name: str) -> str | None:
        """Return an attribute of the first sink that writes a file, if it has it."""
        file = next((sink for sink in self._sinks if isinstance(getattr(sink, "path", None), str)), None)
        found = getattr(file, name, None)
        return found if isinstance(found, str) else None

    def _each(self, action: Callable[[Sink], object]) -> None:
        for sink in list(self._sinks):
            try:
                action(sink)
            except Exception as error:
                if is_the_programs(error):
                    raise
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
