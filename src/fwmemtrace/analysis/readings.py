"""Folds the readings of the mappings to what RSS consisted of over time."""

from __future__ import annotations

from typing import ClassVar

from .. import results
from ..paths import PhasePath
from ..records import MappingRow, MappingsReading, Record
from .rss_breakdown import break_down

_MOST = 1500  # readings: more than a chart has pixels


class ReadingsFold:
    """Keeps the sums by category of a bounded number of readings, those with the largest RSS of each few.

    Args:
        most: the number of readings at which their number is halved.
    """

    takes: ClassVar[tuple[type[Record], ...]] = (MappingsReading,)

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._mappings: tuple[int, int, list[MappingRow]] = (0, 0, [])
        self._readings: list[tuple[int, int, int, dict[str, int]]] = []  # time, RSS, unexplained, categories
        self._stride = 1
        self._taken = 0

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record; see `process_fold.Fold`."""
        if not isinstance(record, MappingsReading):
            return
        if record.rows_of in (0, record.reading):
            self._mappings = record.reading, record.rss_bytes, record.rows
        number, rss, rows = self._mappings
        if number != (record.rows_of or record.reading):
            return  # damage took the reading that this one refers to
        self._taken += 1
        last = self._readings[-1] if self._readings else None
        if (self._taken - 1) % self._stride and last is not None:
            if record.rss_bytes <= last[1]:
                return
            self._readings.pop()
        breakdown = break_down(record, rows, record.rss_bytes - rss)
        sums: dict[str, int] = {}
        for (category, _), sizes in breakdown.items.items():
            sums[category] = sums.get(category, 0) + sizes[0]
        self._readings.append((record.time_ns, record.rss_bytes, breakdown.unexplained[0], sums))
        if len(self._readings) > self._most:
            pairs = zip(self._readings[::2], [*self._readings[1::2], self._readings[-1]], strict=False)
            self._readings = [max(pair, key=lambda reading: reading[1]) for pair in pairs]
            self._stride *= 2
            self._taken = len(self._readings) * self._stride

    def result(self, origin_ns: int) -> results.Readings | None:
        """Return what is known so far; None if the probe `mappings` was off.

        Args:
            origin_ns: the moment that counts as 0, by the monotonic clock.
        """
        if not self._readings:
            return None
        readings = sorted(self._readings, key=lambda reading: reading[0])
        categories = sorted({category for *_, sums in readings for category in sums})
        return results.Readings(
            at_ns=[time - origin_ns for time, *_ in readings],
            rss_bytes=[rss for _, rss, *_ in readings],
            unexplained_bytes=[unexplained for _, _, unexplained, _ in readings],
            categories={
                category: [sums.get(category, 0) for *_, sums in readings]
                for category in categories
                if any(sums.get(category) for *_, sums in readings)
            },
        )
