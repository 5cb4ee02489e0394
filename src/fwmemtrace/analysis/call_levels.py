"""Folds the levels of each metric at the ends of calls, for the small charts of growth."""

from __future__ import annotations

from typing import ClassVar

from .. import results
from ..paths import PhasePath, write
from ..records import ObjectCensus, PhaseEnd, PythonHeap, Record, TensorCensus
from .call_series import CallSeries

_POINTS = 160
_MOST_SERIES = 400
_LEAST_CALLS = 5  # fewer make no curve


class CallLevelsFold:
    """Keeps a thinned series for each of the first paths and metrics."""

    takes: ClassVar[tuple[type[Record], ...]] = (PhaseEnd, PythonHeap, ObjectCensus, TensorCensus)

    def __init__(self) -> None:
        self._series: dict[tuple[PhasePath, str], CallSeries] = {}

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record; see `process_fold.Fold`."""
        if isinstance(record, PhaseEnd):
            self.call(path, "rss", record.rss_bytes)
        elif isinstance(record, PythonHeap):
            self.call(path, "python_heap", record.after_bytes)
        elif isinstance(record, ObjectCensus):
            self.call(path, "objects", record.count)
        elif isinstance(record, TensorCensus):
            self.call(path, "tensors", record.live_bytes)

    def call(self, path: PhasePath, metric: str, level: float) -> None:
        """Add one call of a phase, for a metric that is in no record, such as memray's live bytes."""
        key = path, metric
        if key not in self._series:
            if len(self._series) >= 10 * _MOST_SERIES:
                return
            self._series[key] = CallSeries(_POINTS)
        self._series[key].add(level)

    def include(self, other: CallLevelsFold) -> None:
        """Add the series of a fold of other metrics."""
        for key, series in other._series.items():
            if len(self._series) < 10 * _MOST_SERIES:
                self._series[key] = series

    def result(self) -> list[results.CallLevels]:
        """Return the series of the phases with the most calls."""
        known = [(key, series) for key, series in self._series.items() if key[0] and series.calls >= _LEAST_CALLS]
        if len(known) > _MOST_SERIES:
            known = sorted(known, key=lambda item: -item[1].calls)[:_MOST_SERIES]
        return [
            results.CallLevels(path=write(path), metric=metric, stride=series.stride, values=series.points())
            for (path, metric), series in known
        ]
