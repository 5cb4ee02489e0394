"""Estimates when memory reaches its limit, at its present growth."""

from __future__ import annotations

from collections import deque
from math import inf

_WINDOW_NS = 600_000_000_000  # ten minutes
_STEP_NS = 5_000_000_000
_ENOUGH = 4


class TimeToLimit:
    """Takes readings over time, keeps one for every few seconds of the last ten minutes, and extrapolates them."""

    def __init__(self) -> None:
        self._readings: deque[tuple[int, int]] = deque()

    def add(self, time_ns: int, used_bytes: int) -> None:
        """Add a reading; readings come in the order of time."""
        if self._readings and time_ns - self._readings[-1][0] < _STEP_NS:
            return
        self._readings.append((time_ns, used_bytes))
        while time_ns - self._readings[0][0] > _WINDOW_NS:
            self._readings.popleft()

    def seconds(self, used_bytes: int, limit_bytes: int) -> float:
        """Return the seconds until the limit is reached: 0 if it is, infinity if memory does not grow.

        The growth is the slope of a least-squares line through the readings.
        """
        if used_bytes >= limit_bytes:
            return 0.0
        slope = self._slope()
        return (limit_bytes - used_bytes) / slope if slope > 0 else inf

    def _slope(self) -> float:
        """Return bytes per second; 0 for too few readings."""
        count = len(self._readings)
        if count < _ENOUGH:
            return 0.0
        start = self._readings[0][0]
        times = [(time_ns - start) / 1e9 for time_ns, _ in self._readings]
        middle = sum(times) / count
        mean = sum(used for _, used in self._readings) / count
        spread = sum((time - middle) ** 2 for time in times)
        rising = sum((time - middle) * (used - mean) for time, (_, used) in zip(times, self._readings, strict=True))
        return rising / spread if spread else 0.0
