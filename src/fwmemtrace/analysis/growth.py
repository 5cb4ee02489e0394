"""Watches whether memory grows from call to call of a phase, and names what grows.

A phase is judged by two series, and the one that grows less counts: the level at the end of its calls (a result that is
freed later is not growth), and the sum of what its own calls added (growth elsewhere is not this phase's). The rules
are in growth_verdict.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import ClassVar, Literal

from .. import results
from ..paths import PhasePath, write
from ..records import ObjectCensus, PhaseBegin, PhaseEnd, PythonHeap, Record, SessionEnd, TensorCensus
from .call_series import CallSeries
from .growth_verdict import LEAST_RISE, GrowthVerdict, Verdict, judge, warm_up_of

_UNITS: dict[str, Literal["bytes", "objects"]] = {"objects": "objects"}
_SEVERITY: dict[Verdict, int] = {"too few calls": 0, "flat": 1, "saturating": 2, "growing": 3}
_PATH_LIMIT = 2000  # a program that puts an id into its phase names must not exhaust the reader's memory


class _MetricSeries:
    """One metric over the calls of one path."""

    __slots__ = ("_added", "_levels", "_sums")

    def __init__(self) -> None:
        self._levels = CallSeries()
        self._sums = CallSeries()
        self._added = 0.0

    @property
    def calls(self) -> int:
        return self._levels.calls

    def add(self, level: float, change: float) -> None:
        self._added += change
        self._levels.add(level)
        self._sums.add(self._added)

    def judge(self, metric: str) -> GrowthVerdict:
        least_rise = LEAST_RISE.get(metric, 0)
        verdicts = [
            judge(series.points(warm_up_of(series.calls)), series.stride, least_rise)
            for series in (self._levels, self._sums)
        ]
        return min(verdicts, key=lambda judged: (_SEVERITY[judged.verdict], judged.estimate.low))


class GrowthFold:
    """Collects a series for each path and metric, each in bounded memory."""

    takes: ClassVar[tuple[type[Record], ...]] = (
        PhaseBegin,
        PhaseEnd,
        PythonHeap,
        ObjectCensus,
        TensorCensus,
        SessionEnd,
    )

    def __init__(self) -> None:
        self._series: defaultdict[tuple[PhasePath, str], _MetricSeries] = defaultdict(_MetricSeries)
        self._paths: set[PhasePath] = set()
        self._begun: dict[int, int] = {}  # RSS at the start of open phases, by span

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record; kinds that are not in `takes` are ignored."""
        if isinstance(record, PhaseBegin):
            self._begun[record.span] = record.rss_bytes
        elif isinstance(record, PhaseEnd):
            before = self._begun.pop(record.span, None)
            if before is not None:
                self.call(path, "rss", record.rss_bytes, record.rss_bytes - before)
        elif isinstance(record, PythonHeap):
            self.call(path, "python_heap", record.after_bytes, record.after_bytes - record.before_bytes)
        elif isinstance(record, ObjectCensus):
            self.call(path, "objects", record.count, record.delta_count)
        elif isinstance(record, TensorCensus):
            self.call(path, "tensors", record.live_bytes, record.delta_bytes)
        elif isinstance(record, SessionEnd):
            self._begun.clear()

    def call(self, path: PhasePath, metric: str, level: float, change: float) -> None:
        """Add one call of a phase, for a metric that is in no record, such as memray's live bytes.

        Args:
            path: of the phase.
            metric: "rss", "native", "python_heap", "objects", "tensors", or another name.
            level: the figure at the end of the call.
            change: the change of the figure over the call.
        """
        if path not in self._paths:
            if len(self._paths) >= _PATH_LIMIT:
                return
            self._paths.add(path)
        self._series[path, metric].add(level, change)

    def result(
        self,
        *,
        python_heap: dict[PhasePath, results.PythonHeap] | None = None,
        objects: dict[PhasePath, results.Objects] | None = None,
        holders: Sequence[results.Holder] = (),
        least_calls: int = 2,
    ) -> list[results.Growth]:
        """Return a row for each path and metric.

        Args:
            python_heap: `PythonHeapFold.result()`, to name the lines that grow.
            objects: `ObjectsFold.result()`, to name the types that grow.
            holders: `HoldersFold.result()`, to name what keeps objects of these types alive.
            least_calls: paths with fewer calls are left out.

        Returns:
            Rows by path in the order of the first calls; for each path in the order rss, native, python_heap, objects,
            tensors, then other metrics.
        """
        order = {metric: rank for rank, metric in enumerate(LEAST_RISE)}
        ranks: dict[PhasePath, int] = {}
        for path, _ in self._series:
            ranks.setdefault(path, len(ranks))
        rows = []
        for (path, metric), series in sorted(
            self._series.items(), key=lambda item: (ranks[item[0][0]], order.get(item[0][1], len(order)))
        ):
            if series.calls < least_calls:
                continue
            judged = series.judge(metric)
            row = _row(path, metric, series.calls, judged)
            if judged.verdict in ("growing", "saturating"):
                row.types = [kind for kind in _types(objects, path) if kind.delta_count > 0 or kind.delta_bytes > 0]
                row.sites = [site for site in _sites(python_heap, path) if site.delta_bytes > 0]
                names = {kind.type for kind in row.types}
                row.held_by = [holder for holder in holders if holder.type in names]
            rows.append(row)
        return rows


def _row(path: PhasePath, metric: str, calls: int, judged: GrowthVerdict) -> results.Growth:
    slope, low, high = judged.estimate
    known = judged.verdict != "too few calls"
    return results.Growth(
        path=write(path),
        calls=calls,
        slope_bytes_per_call=slope,
        low=low if known else slope,
        high=high if known else slope,
        verdict=judged.verdict,
        metric=metric,
        unit=_UNITS.get(metric, "bytes"),
        warm_up_calls=warm_up_of(calls),
    )


def _types(objects: dict[PhasePath, results.Objects] | None, path: PhasePath) -> list[results.TypeGrowth]:
    return objects[path].top if objects is not None and path in objects else []


def _sites(python_heap: dict[PhasePath, results.PythonHeap] | None, path: PhasePath) -> list[results.HeapSite]:
    return python_heap[path].top if python_heap is not None and path in python_heap else []
