"""Does memory grow from call to call of a phase? A slope with an interval, a verdict, and what it is that grows.

The rules, in one place:

- Warm-up: the first tenth of the calls, at least 2 and at most 100 of them, is left out: what fills once is no leak.
- Too few calls: fewer than 20 are left.
- Growing: the interval of the slope over all calls left lies above zero, the rise over them is worth mention
  (MATERIAL), and it goes on: the latter half has at least 0.3 of the slope, the interval of the last third does not lie
  below that of all, and the middle of each quarter lies above that of the one before.
- Saturating: it rose like that, by more than twice the standard deviation of what it swings by besides, and does not go
  on; or it rose over the first half, third, quarter or sixth, by more than twice that of what came after, which rises
  no more.
- Flat: anything else, falling included.

A phase is held against two series, and the one that grows less counts: the level when its calls end (a result that is
given back later is no growth) and the sum of what its own calls added (what grows elsewhere is not this phase's).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import ClassVar, Literal, NamedTuple, TypeAlias

from .. import results
from ..paths import PhasePath, write
from ..records import ObjectCensus, PhaseBegin, PhaseEnd, PythonHeap, Record, SessionEnd, TensorCensus
from .trend import Series, Trend, robust_spread, trend

Verdict: TypeAlias = Literal["flat", "growing", "saturating", "too few calls"]

ENOUGH_CALLS = 20
_WARM_UP_SHARE, _WARM_UP_LEAST, _WARM_UP_MOST = 0.1, 2, 100
_GOES_ON = 0.3
_ABOVE_SWINGS = 2.0
# The smallest rise over all calls that is worth a line. The kernel and the allocators move in steps of many pages;
# tracemalloc and a census are exact, but for a few objects of the tracer's own.
MATERIAL = {"rss": 256 * 1024, "native": 64 * 1024, "python_heap": 4096, "objects": 20, "tensors": 4096}
_UNITS: dict[str, Literal["bytes", "objects"]] = {"objects": "objects"}
# A program that puts an id into its phase names must not make the reader run out of memory.
_MOST_PATHS = 2000


class Judgement(NamedTuple):
    """What a series says."""

    trend: Trend
    verdict: Verdict


def warm_up_of(calls: int) -> int:
    """How many calls at the start are left out."""
    return min(max(round(calls * _WARM_UP_SHARE), _WARM_UP_LEAST), _WARM_UP_MOST)


def judge(values: Sequence[float], step: float = 1.0, material: float = 0.0) -> Judgement:
    """The trend of a series, warm-up already left out, and its verdict.

    Args:
        values: at even steps.
        step: calls from one value to the next.
        material: the smallest rise over the whole series that is worth mention, in the values' unit.
    """
    if len(values) < 3 or len(values) * step < ENOUGH_CALLS:
        slope = trend(values, step).slope if len(values) >= 3 else 0.0
        return Judgement(Trend(slope, float("-inf"), float("inf")), "too few calls")
    whole = trend(values, step)
    rise = whole.slope * step * len(values)
    if whole.low > 0 and rise >= material:
        if _goes_on(values, whole, step):
            return Judgement(whole, "growing")
        if rise >= _ABOVE_SWINGS * robust_spread([value - whole.slope * step * at for at, value in enumerate(values)]):
            return Judgement(whole, "saturating")
    if any(_rose_and_stopped(values, len(values) * part // 12, step, material) for part in (6, 4, 3, 2)):
        return Judgement(whole, "saturating")
    return Judgement(whole, "flat")


def _rose_and_stopped(values: Sequence[float], turn: int, step: float, material: float) -> bool:
    """Whether the series rose until the turn, well above what it swings by afterwards, and rises no more."""
    if turn < 8:
        return False
    head, rest = values[:turn], values[turn:]
    rise = median(rest) - median(head[: turn // 4])
    if rise < max(material, _ABOVE_SWINGS * robust_spread(rest)) or trend(head, step).low <= 0:
        return False
    return trend(rest, step).low <= 0


def _goes_on(values: Sequence[float], whole: Trend, step: float) -> bool:
    """Whether what rose over all the values still does at their end."""
    if trend(values[len(values) // 2 :], step).slope < _GOES_ON * whole.slope:
        return False
    return trend(values[len(values) * 2 // 3 :], step).high >= whole.low and _goes_up(values)


def _goes_up(values: Sequence[float]) -> bool:
    """Whether each quarter lies above the one before, and the last step is not a small rest of it."""
    quarter = len(values) / 4
    middles = [median(values[round(at * quarter) : round((at + 1) * quarter)]) for at in range(4)]
    steps = [later - earlier for earlier, later in pairwise(middles)]
    return min(steps) > 0 and steps[-1] >= _GOES_ON * sum(steps) / 3


class _Watch:
    """One metric over the calls of one path."""

    __slots__ = ("added", "levels", "own")

    def __init__(self) -> None:
        self.levels = Series()
        self.own = Series()
        self.added = 0.0

    def call(self, level: float, change: float) -> None:
        self.added += change
        self.levels.add(level)
        self.own.add(self.added)

    def judge(self, metric: str) -> Judgement:
        material = MATERIAL.get(metric, 0)
        found = [
            judge(series.points(warm_up_of(series.calls)), series.stride, material)
            for series in (self.levels, self.own)
        ]
        return min(found, key=lambda judgement: (_SEVERITY[judgement.verdict], judgement.trend.low))


_SEVERITY: dict[Verdict, int] = {"too few calls": 0, "flat": 1, "saturating": 2, "growing": 3}


class GrowthFold:
    """Takes the records of one process, each with the path of the phase that its span names.

    Keeps a bounded number of points a path and metric, whatever the number of calls.
    """

    takes: ClassVar[tuple[type[Record], ...]] = (
        PhaseBegin,
        PhaseEnd,
        PythonHeap,
        ObjectCensus,
        TensorCensus,
        SessionEnd,
    )

    def __init__(self) -> None:
        self._watches: defaultdict[tuple[PhasePath, str], _Watch] = defaultdict(_Watch)
        self._paths: set[PhasePath] = set()
        self._begun: dict[int, int] = {}

    def add(self, record: Record, path: PhasePath) -> None:
        """Take a record; kinds that are no reading of memory are passed over."""
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
        """One call of a phase, for a metric that no record carries, such as memray's live bytes.

        Args:
            path: of the phase.
            metric: "rss", "native", "python_heap", "objects", "tensors", or a name of your own.
            level: what there was when the call ended.
            change: what the call added to it.
        """
        if path not in self._paths:
            if len(self._paths) >= _MOST_PATHS:
                return
            self._paths.add(path)
        self._watches[path, metric].call(level, change)

    def result(
        self,
        *,
        python_heap: dict[PhasePath, results.PythonHeap] | None = None,
        objects: dict[PhasePath, results.Objects] | None = None,
        holders: Sequence[results.Holder] = (),
        least_calls: int = 2,
    ) -> list[results.Growth]:
        """A row for each path and metric.

        Args:
            python_heap: by path, from `PythonHeapFold.result()`: names the lines behind what grows.
            objects: by path, from `ObjectsFold.result()`: names the types.
            holders: from `HoldersFold.result()`: what keeps those types alive.
            least_calls: paths with fewer calls are left out: they have no trend.

        Returns:
            By path in the order of their first call, and for each the metrics in the order rss, native, python_heap,
            objects, tensors.
        """
        order = {metric: rank for rank, metric in enumerate(MATERIAL)}
        ranks: dict[PhasePath, int] = {}
        for path, _ in self._watches:
            ranks.setdefault(path, len(ranks))
        rows = []
        for (path, metric), watch in sorted(
            self._watches.items(), key=lambda item: (ranks[item[0][0]], order.get(item[0][1], len(order)))
        ):
            if watch.levels.calls < least_calls:
                continue
            judgement = watch.judge(metric)
            row = _row(path, metric, watch.levels.calls, judgement)
            if judgement.verdict in ("growing", "saturating"):
                row.types = [kind for kind in _types(objects, path) if kind.delta_count > 0 or kind.delta_bytes > 0]
                row.sites = [site for site in _sites(python_heap, path) if site.delta_bytes > 0]
                names = {kind.type for kind in row.types}
                row.held_by = [holder for holder in holders if holder.type in names]
            rows.append(row)
        return rows


def _row(path: PhasePath, metric: str, calls: int, judgement: Judgement) -> results.Growth:
    known = judgement.verdict != "too few calls"
    return results.Growth(
        path=write(path),
        calls=calls,
        slope_bytes_per_call=judgement.trend.slope,
        low=judgement.trend.low if known else judgement.trend.slope,
        high=judgement.trend.high if known else judgement.trend.slope,
        verdict=judgement.verdict,
        metric=metric,
        unit=_UNITS.get(metric, "bytes"),
        warm_up_calls=warm_up_of(calls),
    )


def _types(objects: dict[PhasePath, results.Objects] | None, path: PhasePath) -> list[results.TypeGrowth]:
    return objects[path].top if objects is not None and path in objects else []


def _sites(python_heap: dict[PhasePath, results.PythonHeap] | None, path: PhasePath) -> list[results.HeapSite]:
    return python_heap[path].top if python_heap is not None and path in python_heap else []
