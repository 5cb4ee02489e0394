"""The timeline of a process, thinned out to what a report can show."""

from __future__ import annotations

from dataclasses import dataclass

from ..paths import PhasePath


@dataclass(frozen=True, slots=True)
class Point:
    """RSS at a moment, and the phase that was running."""

    time_ns: int
    rss_bytes: int
    phase: PhasePath


class TimelineFold:
    """Keeps at most `limit` points however many are added; of each stretch it keeps the highest.

    Args:
        limit: points to keep, an even number.
    """

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        self._stride = 1  # readings a kept point stands for
        self._taken = 0
        self._points: list[Point] = []

    def add(self, time_ns: int, rss_bytes: int, phase: PhasePath) -> None:
        """Take in a reading."""
        if self._taken % self._stride == 0:
            self._points.append(Point(time_ns, rss_bytes, phase))
        elif rss_bytes > self._points[-1].rss_bytes:
            self._points[-1] = Point(time_ns, rss_bytes, phase)
        self._taken += 1
        if len(self._points) > self._limit:
            self._halve()

    def _halve(self) -> None:
        pairs = zip(self._points[::2], [*self._points[1::2], None], strict=False)
        self._points = [a if b is None or a.rss_bytes >= b.rss_bytes else b for a, b in pairs]
        self._taken = len(self._points)
        self._stride *= 2
        self._taken *= self._stride

    def points(self) -> list[Point]:
        """What was kept, in order."""
        return self._points
