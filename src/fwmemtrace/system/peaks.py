"""Folds the kernel's high-water mark, read and reset at every edge, into the exact peak of each phase.

Phases overlap in any way: nested, in threads, in tasks. Every edge closes a window of time, whose peak belongs to every
phase that was open during it. Kept are only the windows that can still be some phase's largest, a list that falls in
value as it rises in time, so a phase's peak is found by bisection.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

_AFTER_ANY_PEAK = float("inf")


class PeakMeter:
    """The largest value in any stretch of time between two edges. Not locked: its owner does that."""

    __slots__ = ("_read", "_recorder", "_reset", "_windows", "largest")

    def __init__(self, read: Callable[[], int], reset: Callable[[], object]) -> None:
        self._read = read
        self._reset = reset
        self._recorder = 0
        self._windows: list[tuple[int, float]] = []  # number of the edge that closed it, its peak
        self.largest = 0  # over everything

    def edge(self) -> int:
        """Close the window that is open and begin the next.

        Returns:
            The edge's number, which `since` takes.
        """
        peak = self._read()
        self._reset()
        windows = self._windows
        while windows and windows[-1][1] <= peak:
            windows.pop()
        self._recorder += 1
        windows.append((self._recorder, peak))
        if peak > self.largest:
            self.largest = peak
        return self._recorder

    def skip(self) -> None:
        """Begin the next window without a count of what came since the latest edge."""
        self._reset()

    def since(self, edge: int) -> int:
        """The largest value between that edge and the latest one; 0 if they are the same."""
        windows = self._windows
        first = bisect_right(windows, (edge, _AFTER_ANY_PEAK))
        return int(windows[first][1]) if first < len(windows) else 0

    def stop(self) -> None:
        """Read and reset nothing any more.

        Another thread may be on its way to an edge while what this reads from is closed, and a file descriptor that
        is closed may be a file of the program's the moment after: it must not be written to.
        """
        self._read = self._reset = _nothing

    def forget(self) -> None:
        """Nobody will ask about what was before the latest edge: let it go."""
        del self._windows[:]


def _nothing() -> int:
    return 0
