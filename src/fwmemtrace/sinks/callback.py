"""Hands every record to a function."""

from __future__ import annotations

from collections.abc import Callable

from ..records import Record


class CallbackSink:
    """Calls a function with each record, in the thread that it comes from.

    Args:
        function: takes the record. If it raises, the session switches this sink off.
    """

    def __init__(self, function: Callable[[Record], object]) -> None:
        self._function = function

    def write(self, record: Record) -> None:
        self._function(record)

    def flush(self) -> None: ...

    def close(self) -> None: ...
