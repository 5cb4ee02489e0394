"""What the garbage collector does over each phase, and what only a full collection gives back.

The interpreter tells of every collection through `gc.callbacks`: its generation, how many objects it freed, how many it
could not free. Reference cycles wait for the collector, the old ones for a full collection, which may be long in
coming: that wait is memory, too. So after an outermost phase the probe makes one itself, as often as `edge_budget`
grants it, after the phase's last reading, and tells what came back by it. A program that has switched the collector off
is left alone.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from time import perf_counter_ns
from typing import Any, ClassVar, NamedTuple

from ..heap.census import type_name
from ..records import Collections, FullCollection, Note
from ..tracing.span import Span
from .base import BaseProbe, ProbeContext
from .governor import Governor

_GENERATIONS = 3
_MOST_TYPES = 5


class _Totals(NamedTuple):
    """Since the probe started."""

    runs: tuple[int, ...]
    wall_ns: int
    collected: int
    uncollectable: int


class CollectorProbe(BaseProbe):
    """Counts collections, the tracer's own aside."""

    name: ClassVar[str] = "collector"

    def __init__(self) -> None:
        self._runs = [0] * _GENERATIONS
        self._wall_ns = self._collected = self._uncollectable = 0
        self._began_ns = 0
        self._mine = False
        self._left_alone = False

    def start(self, context: ProbeContext) -> None:
        self._context = context
        self._budget = Governor(context.settings.detail_share)
        gc.callbacks.append(self._told)

    def phase_began(self, span: Span) -> None:
        if span.state is None:
            span.state = {}
        span.state[self.name] = self._totals()

    def phase_ended(self, span: Span) -> None:
        before: _Totals | None = (span.state or {}).pop(self.name, None)
        if before is None:
            return
        now = self._totals()
        if now.runs != before.runs:
            self._context.emit(
                Collections(
                    span.id,
                    [after - earlier for after, earlier in zip(now.runs, before.runs, strict=True)],
                    now.wall_ns - before.wall_ns,
                    now.collected - before.collected,
                    now.uncollectable - before.uncollectable,
                )
            )
        if span.parent is None:
            self._collect_all(span)

    def after_fork(self, context: ProbeContext) -> None:
        self._context = context

    def stop(self) -> None:
        if self._told in gc.callbacks:
            gc.callbacks.remove(self._told)
        if gc.garbage:
            kinds = Counter(type_name(type(thing)) for thing in list(gc.garbage)).most_common(_MOST_TYPES)
            named = ", ".join(f"{count} {kind}" for kind, count in kinds)
            self._note(f"gc.garbage holds {len(gc.garbage)} objects that the collector keeps: {named}")

    def _told(self, stage: str, info: dict[str, Any]) -> None:
        # In the middle of whatever the program does: nothing in here may raise.
        if self._mine:
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
        if not gc.isenabled():
            if not self._left_alone:
                self._left_alone = True
                self._note("the program has switched the collector off: no full collection is made after its phases")
            return
        if not self._budget.grants(span.path):
            return
        rss, heap, uncollectable = self._context.meter.rss(), _heap_bytes(), len(gc.garbage)
        began = perf_counter_ns()
        self._mine = True
        try:
            collected = gc.collect()
        finally:
            self._mine = False
        wall_ns = perf_counter_ns() - began
        self._budget.spend(wall_ns)
        rss_after, heap_after = self._context.meter.rss(), _heap_bytes()
        returned = heap - heap_after if heap is not None and heap_after is not None else None
        more = len(gc.garbage) - uncollectable
        self._context.emit(FullCollection(span.id, wall_ns, collected, more, rss, rss_after, returned))

    def _note(self, message: str) -> None:
        self._context.emit(Note(perf_counter_ns(), self.name, message))


def _heap_bytes() -> int | None:
    """Bytes that tracemalloc traces, if somebody has it on."""
    tracing = sys.modules.get("_tracemalloc")
    if tracing is None or not tracing.is_tracing():
        return None
    current: int = tracing.get_traced_memory()[0]
    return current
