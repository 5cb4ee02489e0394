"""The protocol of a sink."""

from __future__ import annotations

from typing import Protocol

from ..records import Record


class Sink(Protocol):
    """Takes the records of one process.

    Every method may be called from any thread, `write` also while another `write` of the same thread is under way (a
    signal handler or a finaliser that runs a phase). One that raises is switched off: the session notes it, counts what
    is lost, and goes on. A sink may also have `after_fork(pid)`, called in a forked worker before its first record.
    """

    def write(self, record: Record) -> None:
        """Take one record."""

    def flush(self) -> None:
        """Bring what was taken to where it will be read."""

    def close(self) -> None:
        """No record will follow."""
