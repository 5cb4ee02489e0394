"""Records what the garbage collector does in each phase, and what only a full collection frees.

The interpreter reports every collection through `gc.callbacks`: its generation, how many objects it freed, and how many
it could not free. Reference cycles stay until the collector runs, old ones until a full collection, which may take long
to come. So the probe makes a full collection itself after an outermost phase, after the phase's last reading, as often
as its budget grants it, and records what that freed. If the program has switched the collector off, the probe makes
none.
"""

from __future__ import annotations

import gc
from collections import Counter
from time import perf_counter_ns
from typing import Any, ClassVar, NamedTuple

from ..heap.census import type_name
from ..records import Collections, FullCollection
from ..system.garbage_collector import is_collector_on
from ..tracing.span import Span
from .base import Probe, ProbeContext

try:  # built in, and not in `sys.modules` where `python -X tracemalloc` has started it
    import _tracemalloc
except ImportError:  # not CPython
    _tracemalloc = None  # type: ignore[assignment]

_GENERATIONS = 3
_MOST_TYPES = 5


class _Totals(NamedTuple):
    """Figures since the probe started."""

    runs: tuple[int, ...]  # by generation
    wall_ns: int
    collected: int
    uncollectable: int


class CollectorProbe(Probe):
    """Counts collections, except its own."""

    name: ClassVar[str] = "collector"
    rank: ClassVar[int] = 20

    def __init__(self) -> None:
        self._runs = [0] * _GENERATIONS
        self._wall_ns = self._collected = self._uncollectable = 0
        self._began_ns = 0
        self._is_own = False
        self._noted_disabled = False

    def start(self, context: ProbeContext) -> None:
        self._context = context
        self._budget = context.governor.for_probe(context.settings.detail_share)
        gc.callbacks.append(self._collecting)

    def phase_began(self, span: Span) -> _Totals:
        return self._totals()

    def phase_ended(self, span: Span, state: _Totals | None) -> None:
        if state is None:
            return
        now = self._totals()
        if now.runs != state.runs:
            self._context.emit(
                Collections(
                    span.id,
                    [after - before for after, before in zip(now.runs, state.runs, strict=True)],
                    now.wall_ns - state.wall_ns,
                    now.collected - state.collected,
                    now.uncollectable - state.uncollectable,
                )
            )
        if span.parent is None:
            self._collect_all(span)

    def after_fork(self, context: ProbeContext) -> None:
        self._context = context

    def stop(self) -> None:
        if self._collecting in gc.callbacks:
            gc.callbacks.remove(self._collecting)
        if gc.garbage:
            kinds = Counter(type_name(type(thing)) for thing in list(gc.garbage)).most_common(_MOST_TYPES)
            named = ", ".join(f"{count} {kind}" for kind, count in kinds)
            self._context.note(f"gc.garbage holds {len(gc.garbage)} objects that the collector cannot free: {named}")

    def _collecting(self, stage: str, info: dict[str, Any]) -> None:
        # Runs in the middle of anything that the program does, so nothing in here may raise.
        if self._is_own:
            return
        if stage == "start":
            self._began_ns = perf_counter_ns()
            return
        if self._began_ns:
            self._wall_ns += perf_counter_ns() - self._began_ns
            self._began_ns = 0
        self._runs[min(info["generation"], _GENERATIONS - 1)] += 1
        self._collected += info["collected"]
        self._uncollectable += info["uncollectable"]

    def _totals(self) -> _Totals:
        return _Totals(tuple(self._runs), self._wall_ns, self._collected, self._uncollectable)

    def _collect_all(self, span: Span) -> None:
        if not is_collector_on():
            if not self._noted_disabled:
                self._noted_disabled = True
                self._context.note("the program has switched the collector off: no full collection after its phases")
            return
        if not self._budget.grants(span.path):
            return
        rss, heap, uncollectable = self._context.meter.rss(), _heap_bytes(), len(gc.garbage)
        began = perf_counter_ns()
        self._is_own = True
        try:
            collected = gc.collect()
        finally:
            self._is_own = False
        wall_ns = perf_counter_ns() - began
        self._budget.spend(wall_ns)
        rss_after, heap_after = self._context.meter.rss(), _heap_bytes()
        returned = heap - heap_after if heap is not None and heap_after is not None else None
        more = len(gc.garbage) - uncollectable
        self._context.emit(FullCollection(span.id, wall_ns, collected, more, rss, rss_after, returned))


def _heap_bytes() -> int | None:
    """Return the bytes that tracemalloc traces; None if it is off."""
    if _tracemalloc is None or not _tracemalloc.is_tracing():
        return None
    current: int = _tracemalloc.get_traced_memory()[0]
    return current
