"""Decides which readings of RSS become points of the timeline: each takes room in the trace."""

from __future__ import annotations

# A point is worth its bytes only if RSS has moved; one per second shows that it has not.
_WORTH_A_POINT = 64 * 1024
_QUIET_NS = 1_000_000_000
# In production mode, what a session of days writes is bounded by intervals that grow with it.
_POINTS = 500  # after which the interval doubles
_LONGEST_NS = 16_000_000_000
# A rise of this part of RSS is told at once: it may be the last. A program that falls and rises all the time uses up
# its early points; each ordinary point lets it have one more.
_EARLY_PART = 16
_MOST_EARLY = 100


class Points:
    """Says of each reading whether it is a point.

    Args:
        interval_ns: nanoseconds between two points.
        adapts: whether the interval grows as the session goes on.
    """

    def __init__(self, interval_ns: int, *, adapts: bool) -> None:
        self._shortest_ns = self._interval_ns = interval_ns
        self._adapts = adapts
        self._rss = self._time_ns = 0
        self._count = 0
        self._early = _MOST_EARLY

    def take(self, rss: int, now_ns: int) -> bool:
        """Return whether a reading of RSS in bytes, of this moment in nanoseconds, is a point."""
        since = now_ns - self._time_ns
        if since < self._shortest_ns:
            return False
        if since < self._interval_ns:
            if rss - self._rss < rss // _EARLY_PART or not self._early:
                return False
            self._early -= 1
        elif abs(rss - self._rss) < _WORTH_A_POINT and since < max(_QUIET_NS, self._interval_ns):
            return False
        else:
            self._count_ordinary()
        self._rss, self._time_ns = rss, now_ns
        return True

    def _count_ordinary(self) -> None:
        self._early = min(self._early + 1, _MOST_EARLY)
        self._count += 1
        if self._adapts and self._count % _POINTS == 0:
            self._interval_ns = max(self._shortest_ns, min(self._interval_ns * 2, _LONGEST_NS))
