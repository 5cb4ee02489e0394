"""A census of live Python objects at both edges of a phase, and which types grew in between."""

from __future__ import annotations

import marshal
from heapq import nlargest
from time import perf_counter_ns
from typing import ClassVar

from ..phases import Span
from ..records import ObjectCensus, ObjectRow
from .aside import Parcel, aside
from .base import BaseProbe, ProbeContext
from .census import Census, take_census, totals
from .edge_budget import EdgeBudget

_OWN_TYPES = __name__.partition(".")[0] + "."
_BYTES = "builtins.bytes"


class ObjectsProbe(BaseProbe):
    """Counts objects by type; see `census` for which, and `edge_budget` for the runs that go without.

    Objects of the tracer's own types are left out, and so is what the probe keeps from begin to end of a phase.

    Garbage in reference cycles counts until the collector comes to it, as it does in RSS. Nothing is collected for the
    census's sake: that would change what is measured.
    """

    name: ClassVar[str] = "objects"

    def start(self, context: ProbeContext) -> None:
        self._context = context
        self._budget = EdgeBudget(context.settings.detail_share)

    def phase_began(self, span: Span) -> None:
        if not self._budget.grants(span.path):
            return
        if span.state is None:
            span.state = {}
        began = perf_counter_ns()
        with aside():
            # Packed: the next census finds one parcel and its bytes, and nothing else of ours.
            span.state[self.name] = Parcel(marshal.dumps(self._take()))
        self._budget.spend(perf_counter_ns() - began)

    def phase_ended(self, span: Span) -> None:
        parcel: Parcel | None = (span.state or {}).get(self.name)
        if parcel is None or span.state is None:
            return
        began = perf_counter_ns()
        with aside():
            after = self._take()
            count, size = after[_BYTES]
            after[_BYTES] = count - 1, size - parcel.size
            before: Census = marshal.loads(parcel.data)
            del span.state[self.name], parcel
            count, size = totals(after)
            count_before, size_before = totals(before)
            rows = changes(before, after, self._context.settings.top)
            del before, after
        self._budget.spend(perf_counter_ns() - began)
        self._context.emit(ObjectCensus(span.id, count, size, count - count_before, size - size_before, rows))

    def after_fork(self, context: ProbeContext) -> None:
        self._context = context

    def _take(self) -> Census:
        return {kind: found for kind, found in take_census().items() if not kind.startswith(_OWN_TYPES)}


def changes(before: Census, after: Census, top: int) -> list[ObjectRow]:
    """The types that changed most: growth first, by bytes, then what shrank.

    Args:
        before: the earlier census.
        after: the later one.
        top: rows at most.
    """
    nothing = (0, 0)
    rows = []
    for kind in {**before, **after}:
        count, size = after.get(kind, nothing)
        count_before, size_before = before.get(kind, nothing)
        if count != count_before or size != size_before:
            rows.append(ObjectRow(kind, count, size, count - count_before, size - size_before))
    return nlargest(top, rows, key=lambda row: (row.delta_bytes > 0, abs(row.delta_bytes), row.delta_count))
