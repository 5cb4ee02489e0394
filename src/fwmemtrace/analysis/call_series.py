"""A figure over the calls of a phase, in bounded memory."""

from __future__ import annotations

from math import ceil


class CallSeries:
    """A value for each call, thinned out to a bounded number of points: each is the mean of as many calls as needed.

    Args:
        size: the number of points at which their number is halved.
        calls: the number of calls that have passed already, with the value 0.

    Attributes:
        calls: the number of values.
        stride: calls per point.
    """

    __slots__ = ("_points", "_size", "_sum", "_summed", "calls", "stride")

    def __init__(self, size: int = 256, calls: int = 0) -> None:
        self._size = size
        self._points: list[float] = []
        self._sum = 0.0
        self._summed = 0
        self.calls = 0
        self.stride = 1
        for _ in range(calls):
            self.add(0.0)

    def add(self, value: float) -> None:
        """Add the value of the next call."""
        self.calls += 1
        self._sum += value
        self._summed += 1
        if self._summed < self.stride:
            return
        self._points.append(self._sum / self._summed)
        self._sum, self._summed = 0.0, 0
        if len(self._points) >= self._size:
            points = self._points
            self._points = [(points[at] + points[at + 1]) / 2 for at in range(0, len(points) - 1, 2)]
            self.stride *= 2

    def points(self, after: int = 0) -> list[float]:
        """Return the points, without those that contain any of the first `after` calls."""
        return self._points[ceil(after / self.stride) :]
