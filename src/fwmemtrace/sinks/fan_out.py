"""Gives every record to several sinks; one that fails leaves the others alone."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import SinkError
from ..records import Note, Record
from .base import Sink


class FanOutSink:
    """Writes to each of its sinks. One that raises is dropped, and the others get a note that says so.

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
        """The trace file among them, if there is one."""
        return next((sink.path for sink in self._sinks if isinstance(getattr(sink, "path", None), str)), None)  # type: ignore[attr-defined]

    def write(self, record: Record) -> None:
        self._each(lambda sink: sink.write(record))

    def flush(self) -> None:
        self._each(lambda sink: sink.flush())

    def after_fork(self, pid: int) -> None:
        def tell(sink: Sink) -> None:
            after_fork = getattr(sink, "after_fork", None)
            if after_fork is not None:
                after_fork(pid)

        self._each(tell)

    def close(self) -> None:
        self._each(lambda sink: sink.close())

    def _each(self, action: Callable[[Sink], None]) -> None:
        for sink in list(self._sinks):
            try:
                action(sink)
            except Exception as error:
                self._drop(sink, error)
        if not self._sinks:
            raise SinkError(f"found that every sink failed: {self.failures}")

    def _drop(self, sink: Sink, error: Exception) -> None:
        self._sinks.remove(sink)
        name = type(sink).__name__
        self.failures[name] = repr(error)
        note = Note(0, name, f"switched off: {error!r}")
        for other in list(self._sinks):
            try:
                other.write(note)
            except Exception as second:  # it will be dropped by its own next call
                self.failures.setdefault(type(other).__name__, repr(second))
