"""Tells a process that works for a long time from one that waits for something that never comes.

A capture names the libraries of the traced program, and memray opens them. One that is a FIFO here would block
it for ever.
"""

from __future__ import annotations

import os
from time import monotonic

_MOST_S = 5.0
_WAITING = b"S"  # for anything but a disk; see proc_pid_stat(5)


class Stall:
    """Watches one process for as long as an answer of it is awaited.

    Args:
        pid: of the process.
    """

    def __init__(self, pid: int) -> None:
        self._stat = f"/proc/{pid}/stat"
        self._spent = b""
        self._since = monotonic()

    def look(self) -> bool:
        """Return whether the process has used no processor time for seconds; False where the system does not tell."""
        try:
            number = os.open(self._stat, os.O_RDONLY)
            try:
                fields = os.read(number, 4096).rpartition(b")")[2].split()
            finally:
                os.close(number)
            state, spent = fields[0], b" ".join(fields[11:13])  # user and system time
        except (OSError, IndexError):
            return False
        if state != _WAITING or spent != self._spent:
            self._spent, self._since = spent, monotonic()
        return monotonic() - self._since >= _MOST_S
