"""Watches whether memory grows from call to call of a phase, and names what grows.

A phase is judged by two series, and the one that grows less counts: the level at the end of its calls (a result that is
freed later is not growth), and the sum of what its own calls added (growth elsewhere is not this phase's). Where calls
overlap, RSS is shared out first (growth_sharing.py). The rules for one series are in growth_verdict.py.

Both series of a phase rise if its results are freed after it while another phase leaks: the level rises with the leak,
the sum with the results. So the phases are compared: one that adds more than the level rises by, and whose rise others
explain that keep what they add, is flat.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from typing import ClassVar, Literal, NamedTuple

from .. import results
from ..paths import PhasePath, write
from ..records import ObjectCensus, PhaseBegin, PhaseEnd, PythonHeap, Record, SessionEnd, TensorCensus
from .call_series import CallSeries
from .growth_sharing import OverlapSharing, WindowGroup, share_of
from .growth_verdict import LEAST_RISE, GrowthVerdict, Verdict, judge, warm_up_of

_UNITS: dict[str, Literal["bytes", "objects"]] = {"objects": "objects"}
_SEVERITY: dict[Verdict, int] = {"too few calls": 0, "flat": 1, "saturating": 2, "growing": 3}
_RISING = ("growing", "saturating")
_PATH_LIMIT = 2000  # a program that puts an id into its phase names must not exhaust the reader's memory


_GIVES_BACK = 1.5  # a phase that adds so many times what the level rises by frees most of it later
_EXPLAINED = 0.7  # the part of a rise that others must explain
_ALL_BUT = 0.9  # the part of a rise after which it is over
_LAST = 5  # points at the end of a series, whose median is where it ended

Shares = Mapping[WindowGroup, Mapping[PhasePath, float]]


class _Judged(NamedTuple):
    """The verdict on a metric of a path, and the rises that led to it."""

    growth: GrowthVerdict
    rise: float  # of the series that grows less, from before the first call
    rise_calls: int
    warm_up_rise: float
    level_rise: float  # after the warm-up, by the slope
    own_rise: float


class _MetricSeries:
    """One metric over the calls of one path."""

    __slots__ = ("_added", "_levels", "_shared", "_start", "_sums")

    def __init__(self) -> None:
        self._levels = CallSeries()
        self._sums = CallSeries()
        self._shared: dict[WindowGroup, CallSeries] = {}
        self._added = 0.0
        self._start = 0.0

    @property
    def calls(self) -> int:
        return self._levels.calls

    @property
    def added(self) -> float:
        return self._added

    def add(self, level: float, change: float, shared: Mapping[WindowGroup, float]) -> None:
        if not self.calls:
            self._start = level - change
        for group, sum_of_group in shared.items():
            if group not in self._shared:
                self._shared[group] = CallSeries(calls=self.calls)
            self._shared[group].add(sum_of_group)
        self._added += change
        self._levels.add(level)
        self._sums.add(self._added)

    def judge(self, path: PhasePath, metric: str, shares: Shares) -> _Judged:
        least_rise = LEAST_RISE.get(metric, 0)
        stride, warm_up = self._levels.stride, warm_up_of(self.calls)
        sums = self._sums.points()
        for group, series in self._shared.items():
            share = share_of(path, shares[group])
            sums = [value + share * more for value, more in zip(sums, series.points(), strict=True)]
        levels = self._levels.points()
        first = len(levels) - len(self._levels.points(warm_up))
        judged = [
            (judge(points[first:], stride, least_rise, points[:first]), [value - start for value in points])
            for points, start in ((levels, self._start), (sums, 0.0))
        ]
        growth, points = min(judged, key=lambda each: (_SEVERITY[each[0].verdict], each[0].estimate.low))
        rise = median(points[-_LAST:]) if points else 0.0
        over = next((at for at, value in enumerate(points, 1) if value >= _ALL_BUT * rise), 0) if rise > 0 else 0
        by_level, by_own = (each.estimate.slope * (self.calls - warm_up) for each, _ in judged)
        return _Judged(growth, rise, over * stride, points[max(first, 1) - 1] if points else 0.0, by_level, by_own)


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
        self._sharing = OverlapSharing()

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record; kinds that are not in `takes` are ignored."""
        if isinstance(record, PhaseBegin):
            self._sharing.begin(record.span, record.parent, path, record.time_ns, record.rss_bytes)
        elif isinstance(record, PhaseEnd):
            if self._sharing.end(record.span, record.time_ns, record.rss_bytes) and self._known(path):
                series = self._series[path, "rss"]
                change = self._sharing.own.get(path, 0.0) - series.added
                series.add(record.rss_bytes, change, self._sharing.shared(path))
        elif isinstance(record, PythonHeap):
            self.call(path, "python_heap", record.after_bytes, record.after_bytes - record.before_bytes)
        elif isinstance(record, ObjectCensus):
            self.call(path, "objects", record.count, record.delta_count)
        elif isinstance(record, TensorCensus):
            self.call(path, "tensors", record.live_bytes, record.delta_bytes)
        elif isinstance(record, SessionEnd):
            self._sharing.close()

    def call(self, path: PhasePath, metric: str, level: float, change: float) -> None:
        """Add one call of a phase, for a metric that is in no record, such as memray's live bytes.

        Args:
            path: of the phase.
            metric: "rss", "native", "python_heap", "objects", "tensors", or another name.
            level: the figure at the end of the call.
            change: the change of the figure over the call.
        """
        if self._known(path):
            self._series[path, metric].add(level, change, {})

    def _known(self, path: PhasePath) -> bool:
        """Return whether the path is one of the first, of which there are series."""
        if path not in self._paths:
            if len(self._paths) >= _PATH_LIMIT:
                return False
            self._paths.add(path)
        return True

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
        shares = self._sharing.shares()
        judged = {
            key: series.judge(*key, shares)
            for key, series in sorted(
                self._series.items(), key=lambda item: (ranks[item[0][0]], order.get(item[0][1], len(order)))
            )
            if series.calls >= least_calls
        }
        rows = []
        for (path, metric), found in judged.items():
            others = {where: other for (where, what), other in judged.items() if what == metric and where != path}
            calls = self._series[path, metric].calls
            row = _row(path, metric, calls, _without_others(path, found, others, calls))
            if row.verdict in _RISING:
                row.types = [kind for kind in _types(objects, path) if kind.delta_count > 0 or kind.delta_bytes > 0]
                row.sites = [site for site in _sites(python_heap, path) if site.delta_bytes > 0]
                names = {kind.type for kind in row.types}
                row.held_by = [holder for holder in holders if holder.type in names]
            rows.append(row)
        return rows


def _without_others(path: PhasePath, found: _Judged, others: Mapping[PhasePath, _Judged], calls: int) -> _Judged:
    """Return the verdict less what others keep, if the results of this phase are freed after it."""
    if found.growth.verdict not in _RISING or found.own_rise <= _GIVES_BACK * found.level_rise:
        return found
    keeping = {
        where: other
        for where, other in others.items()
        if other.growth.verdict in _RISING
        and other.own_rise <= _GIVES_BACK * other.level_rise
        and not (where[: len(path)] == path or path[: len(where)] == where)
    }
    kept = sum(
        other.own_rise
        for where, other in keeping.items()
        if not any(inner != where and inner[: len(where)] == where for inner in keeping)
    )
    if kept < _EXPLAINED * found.level_rise:
        return found
    theirs = min(kept, found.level_rise) / (calls - warm_up_of(calls))
    verdict, remaining = found.growth, found.growth.remaining
    return found._replace(
        growth=GrowthVerdict(verdict.estimate.less(theirs), "flat", remaining and remaining.less(theirs)),
        rise=found.rise - theirs * calls,
        rise_calls=0,
        warm_up_rise=found.warm_up_rise - theirs * warm_up_of(calls),
    )


def _row(path: PhasePath, metric: str, calls: int, judged: _Judged) -> results.Growth:
    growth, remaining = judged.growth, judged.growth.remaining
    slope, low, high = growth.estimate
    known = growth.verdict != "too few calls"
    return results.Growth(
        path=write(path),
        calls=calls,
        slope_bytes_per_call=slope,
        low=low if known else slope,
        high=high if known else slope,
        verdict=growth.verdict,
        metric=metric,
        unit=_UNITS.get(metric, "bytes"),
        warm_up_calls=warm_up_of(calls),
        warm_up_bytes=judged.warm_up_rise,
        rise_bytes=judged.rise,
        rise_calls=judged.rise_calls,
        remaining_slope_bytes_per_call=None if remaining is None else remaining.slope,
        remaining_low=None if remaining is None else remaining.low,
        remaining_high=None if remaining is None else remaining.high,
    )


def _types(objects: dict[PhasePath, results.Objects] | None, path: PhasePath) -> list[results.TypeGrowth]:
    return objects[path].top if objects is not None and path in objects else []


def _sites(python_heap: dict[PhasePath, results.PythonHeap] | None, path: PhasePath) -> list[results.HeapSite]:
    return python_heap[path].top if python_heap is not None and path in python_heap else []
