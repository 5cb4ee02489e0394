"""Folds the kernel's high-water mark, read and reset at every edge of a phase, into the exact peak of each phase.

Phases overlap in any way: nested, in threads, in tasks. Every edge closes a window of time, and the window's peak
belongs to every phase that was open during it. Only windows that can still be some phase's largest are kept. Their
peaks fall as time rises, so bisection finds a phase's peak.
"""

from __future__ import annotations

from _thread import RLock
from bisect import bisect_right
from collections.abc import Callable

_AFTER_ANY_PEAK = float("inf")


class PeakMeter:
    """Finds the largest value in any stretch of time between two edges. Not thread-safe; its owner holds a lock.

    Args:
        read: returns the high-water mark since the last reset, in bytes.
        reset: lets the high-water mark start over.

    Attributes:
        largest: the largest value of all windows, in bytes.
    """

    __slots__ = ("_latest", "_read", "_reset", "_windows", "largest")

    def __init__(self, read: Callable[[], int], reset: Callable[[], object]) -> None:
        self._read = read
        self._reset = reset
        self._latest = 0
        self._windows: list[tuple[int, float]] = []  # number of the edge that closed it, its peak
        self.largest = 0

    def edge(self, present: int = -1) -> int:
        """Close the open window and begin the next one.

        Args:
            present: a reading of just now. If the mark is no higher, there is nothing to reset, which takes as long as
                a reading.

        Returns:
            The edge's number, for `since`.
        """
        peak = self._read()
        if peak > present:
            self._reset()
        windows = self._windows
        while windows and windows[-1][1] <= peak:
            windows.pop()
        self._latest += 1
        windows.append((self._latest, peak))
        if peak > self.largest:
            self.largest = peak
        return self._latest

    def skip(self) -> None:
        """Begin the next window and ignore what came since the latest edge."""
        self._reset()

    def since(self, edge: int) -> int:
        """Return the largest value between that edge and the latest one; 0 if they are the same."""
        windows = self._windows
        first = bisect_right(windows, (edge, _AFTER_ANY_PEAK))
        return int(windows[first][1]) if first < len(windows) else 0

    def stop(self) -> None:
        """Stop reading and resetting for good.

        Another thread may be about to reach an edge while the files behind `read` and `reset` are closed. A closed
        descriptor may belong to a file of the program's a moment later, which must not be written to.
        """
        self._read = self._reset = _zero

    def forget(self) -> None:
        """Drop all windows: no phase will need the time before the latest edge."""
        del self._windows[:]


def _zero() -> int:
    return 0


class PhasePeaks:
    """The peaks of phases that are open, in any number of threads. The compiled core has a class of the same methods.

    Args:
        read: returns the high-water mark since the last reset, in bytes.
        reset: lets the high-water mark start over.
    """

    def __init__(self, read: Callable[[], int], reset: Callable[[], object]) -> None:
        self._meter = PeakMeter(read, reset)
        self._lock = RLock()  # re-entrant: a finaliser or signal handler may run a phase inside it
        self._open: dict[int, None] = {}  # ids of open phases

    def begin(self, span: int, rss: int, /) -> int:
        """A phase begins.

        Args:
            span: its id.
            rss: a reading of just now, in bytes.

        Returns:
            The number of its edge, for `end`.
        """
        with self._lock:
            if not self._open:
                self._meter.forget()
            self._open[span] = None
            return self._meter.edge(rss)

    def leave(self, span: int, /) -> None:
        """A phase is open no more. `end` is next, unless a signal handler comes between."""
        self._open.pop(span, None)

    def end(self, edge: int, rss: int, /) -> int:
        """Return the largest value since that edge, in bytes.

        Args:
            edge: what `begin` has returned.
            rss: a reading of just now, in bytes.
        """
        with self._lock:
            self._meter.edge(rss)
            return self._meter.since(edge)

    def edge(self) -> None:
        """Close the open window and begin the next one."""
        with self._lock:
            self._meter.edge()

    def skip(self) -> None:
        """Begin the next window and ignore what came since the latest edge."""
        with self._lock:
            self._meter.skip()

    def finish(self) -> int:
        """Read and reset nothing from now on.

        Returns:
            The largest value of all, in bytes.
        """
        with self._lock:
            self._meter.edge()
            self._meter.stop()
            return self._meter.largest
