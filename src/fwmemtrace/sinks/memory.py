"""Keeps records in a list, for tests and for tools in the same process."""

from __future__ import annotations

from ..records import Record


class MemorySink:
    """Keeps the records of a session.

    Attributes:
        records: the records, in the order in which they were written.
        closed: whether the session is over.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.closed = False

    def write(self, record: Record) -> None:
        self.records.append(record)

    def close(self) -> None:
        self.closed = True
