"""Calls a function with every record."""

from __future__ import annotations

from collections.abc import Callable

from ..records import Record


class CallbackSink:
    """Calls a function with each record, in the thread that emits it.

    Args:
        function: takes the record. If it raises, the session switches this sink off.
    """

    def __init__(self, function: Callable[[Record], object]) -> None:
        self.write = function
