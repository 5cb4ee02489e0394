"""Decides which runs of a phase get the expensive reading: a walk over the whole heap at both edges.

Such a walk takes from milliseconds to a second. Done at every edge of a hot phase it would be most of what the program
does; done never it would answer nothing. So the first run of every phase has it, and later runs as long as all walks
together take no more than a share of the session's time. Records of the runs without one say so or are left out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter_ns

from ..paths import PhasePath

# A program that puts an id into its phase names must not make this set its leak.
_REMEMBERED_PATHS = 4096


class Governor:
    """Grants and counts expensive readings; safe to use from any thread.

    Args:
        share: the most of the session's time that they may take, first runs aside; 1 grants all of them.
        clock: nanoseconds of a monotonic clock.
    """

    __slots__ = ("_began_ns", "_clock", "_lock", "_seen", "_share", "spent_ns")

    def __init__(self, share: float, clock: Callable[[], int] = perf_counter_ns) -> None:
        self._share = share
        self._clock = clock
        self._began_ns = clock()
        self._seen: set[PhasePath] = set()
        self._lock = threading.Lock()
        self.spent_ns = 0

    def grants(self, path: PhasePath) -> bool:
        """Whether this run of the phase at `path` gets the reading, at both of its edges."""
        first = path not in self._seen
        if first and len(self._seen) < _REMEMBERED_PATHS:
            self._seen.add(path)
            return True
        return self.spent_ns <= self._share * (self._clock() - self._began_ns)

    def spend(self, wall_ns: int) -> None:
        """A reading took that long."""
        with self._lock:
            self.spent_ns += wall_ns
