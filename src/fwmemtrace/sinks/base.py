"""The protocol of a sink, and calls to the methods that a sink may leave out."""

from __future__ import annotations

from typing import Protocol

from ..records import Record


class Sink(Protocol):
    """Takes the records of one process.

    `write` is all that a sink needs. It may be called from any thread, and also while another `write` of the same
    thread is running (a signal handler or a finaliser may run a phase). A sink that raises is switched off: the session
    says so, counts the records that are lost, and goes on.

    A sink may also have

    - `flush()`, called before `close()`;
    - `close()`, called once, when no record will follow;
    - `after_fork(pid)`, called in a forked worker before its first record;
    - `forget()`, called in a forked child that is about to start another program, and writes nothing;
    - `path`, the absolute path of the file that it writes;
    - `options`, names of the keyword arguments among `overwrite`, `family` and `max_size` that its class takes;
    - `window`, a `TraceWindow` of the compiled core: frames of records are copied there, past `write`, as long as it
      has room;
    - `lost`, the number of records that it could not write though it goes on, as while a disk is full.
    """

    def write(self, record: Record, /) -> object:
        """Take one record."""


def close(sink: Sink) -> None:
    """Flush and close a sink, as far as it has methods for that."""
    for method in ("flush", "close"):
        action = getattr(sink, method, None)
        if action is not None:
            action()


def after_fork(sink: Sink, pid: int) -> None:
    """Let a sink know that this is a forked worker, if it has a method for that."""
    action = getattr(sink, "after_fork", None)
    if action is not None:
        action(pid)
