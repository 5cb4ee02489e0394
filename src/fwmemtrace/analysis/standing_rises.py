"""Which rises of RSS still stand, given that RSS fell again in between."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class StandingRises(Generic[Key]):
    """Takes rises and falls of RSS in the order of time. A fall takes back what rose last, as functions free.

    Attributes:
        now: bytes that stand, by key.
        largest_fall_bytes: the largest fall, without a rise in between.
        largest_fall_calls: the number of calls whose rises it took back.
    """

    def __init__(self) -> None:
        self.now: dict[Key, int] = {}
        self.largest_fall_bytes = self.largest_fall_calls = 0
        self._latest: list[tuple[Key, int, int]] = []  # key, call and bytes of each rise that stands, in order
        self._peak_rss = 0
        self._at_peak: dict[Key, int] = {}
        self._falling = 0
        self._falling_calls: set[int] = set()

    def rise(self, key: Key, call: int, size: int) -> None:
        """Add a rise.

        Args:
            key: what made it.
            call: the call of a phase that it belongs to; 0 for none.
            size: in bytes.
        """
        self._falling = 0
        self._falling_calls.clear()
        self.now[key] = self.now.get(key, 0) + size
        if self._latest and self._latest[-1][:2] == (key, call):
            size += self._latest.pop()[2]
        self._latest.append((key, call, size))

    def fall(self, size: int, rss_before: int) -> None:
        """Take back what rose last.

        Args:
            size: in bytes.
            rss_before: RSS before it fell.
        """
        if rss_before > self._peak_rss:
            self._peak_rss = rss_before
            self._at_peak = dict(self.now)
        self._falling += size
        while size > 0 and self._latest:
            key, call, standing = self._latest.pop()
            taken = min(size, standing)
            if taken < standing:
                self._latest.append((key, call, standing - taken))
            self.now[key] -= taken
            size -= taken
            if call:
                self._falling_calls.add(call)
        if self._falling > self.largest_fall_bytes:
            self.largest_fall_bytes = self._falling
            self.largest_fall_calls = len(self._falling_calls)

    def at_peak(self, rss: int) -> dict[Key, int]:
        """Return the bytes that stood by key when RSS was at its largest.

        Args:
            rss: RSS now.
        """
        return self.now if rss >= self._peak_rss else self._at_peak
