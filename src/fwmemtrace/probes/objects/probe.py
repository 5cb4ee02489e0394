"""A census of live Python objects at both edges of a phase, and which types grew in between."""

from __future__ import annotations

import marshal
from sys import getsizeof
from time import perf_counter_ns
from typing import ClassVar

from ...heap.census import Census, take_census, totals, type_name
from ...heap.reference_chains import chain_to, newest
from ...paths import write
from ...records import Note, ObjectCensus, ObjectHolder, ObjectRow
from ...tracing.span import Span
from ..base import BaseProbe, ProbeContext
from ..exclusion import ExcludedData, excluded, own_objects
from ..governor import Governor
from .grown_types import Grown, GrownTypes

_OWN_TYPES = __name__.partition(".")[0] + "."
_BYTES = "builtins.bytes"
_HOLDER_LIMIT_NS = 2_000_000_000


class ObjectsProbe(BaseProbe):
    """Counts objects by type; see `census` for which, and `edge_budget` for the runs that go without.

    Objects of the tracer's own types are left out, and so is what the probe keeps from begin to end of a phase.

    Garbage in reference cycles counts until the collector comes to it, as it does in RSS. Nothing is collected for the
    census's sake: that would change what is measured. When the session ends, the probe looks for what keeps the types
    alive that grew from run to run.
    """

    name: ClassVar[str] = "objects"

    def __init__(self) -> None:
        self._grown = GrownTypes()

    def start(self, context: ProbeContext) -> None:
        self._context = context
        self._budget = Governor(context.settings.detail_share)

    def phase_began(self, span: Span) -> None:
        if not self._budget.grants(span.path):
            return
        if span.state is None:
            span.state = {}
        began = perf_counter_ns()
        with excluded():
            # Packed: the next census finds one parcel and its bytes, and nothing else of ours.
            span.state[self.name] = ExcludedData(marshal.dumps(self._take(span)))
        self._budget.spend(perf_counter_ns() - began)

    def phase_ended(self, span: Span) -> None:
        parcel: ExcludedData | None = (span.state or {}).get(self.name)
        if parcel is None or span.state is None:
            return
        began = perf_counter_ns()
        with excluded():
            after = self._take(span)
            count, size = after[_BYTES]
            after[_BYTES] = count - 1, size - parcel.size
            before: Census = marshal.loads(parcel.data)
            del span.state[self.name], parcel
            count, size = totals(after)
            count_before, size_before = totals(before)
            rows = changes(before, after)
            self._grown.add(span.path, rows)
            del rows[self._context.settings.top :], before, after
        self._budget.spend(perf_counter_ns() - began)
        self._context.emit(ObjectCensus(span.id, count, size, count - count_before, size - size_before, rows))

    def after_fork(self, context: ProbeContext) -> None:
        self._context = context

    def stop(self) -> None:
        wanted = self._context.settings.holders
        for grown in self._grown.largest(wanted) if wanted else []:
            try:
                found = find_holder(grown)
            except ImportError:
                self._context.emit(
                    Note(
                        perf_counter_ns(),
                        self.name,
                        "what keeps growing types alive is not looked for: objgraph is not installed "
                        "(pip install 'fwmemtrace[objects]')",
                    )
                )
                return
            if found is not None:
                self._context.emit(found)

    def _take(self, span: Span) -> Census:
        census = {kind: found for kind, found in take_census().items() if not kind.startswith(_OWN_TYPES)}
        for thing in own_objects(span.state):
            kind = type_name(type(thing))
            if kind.startswith(_OWN_TYPES):
                continue
            count, size = census.get(kind, (0, 0))
            census[kind] = count - 1, size - getsizeof(thing)
        return census


def find_holder(grown: Grown) -> ObjectHolder | None:
    """What keeps an object of that type alive; None if there is none left.

    Raises:
        ImportError: if objgraph is not installed.
    """
    thing = newest(grown.kind)
    if thing is None:
        return None
    count = take_census().get(grown.kind, (0, 0))[0]
    root, steps, note = chain_to(thing, _HOLDER_LIMIT_NS)
    return ObjectHolder(grown.kind, count, grown.objects, write(grown.path), root, steps, note)


def changes(before: Census, after: Census) -> list[ObjectRow]:
    """The types that changed, those that changed most first: growth first, by bytes, then what shrank.

    Args:
        before: the earlier census.
        after: the later one.
    """
    nothing = (0, 0)
    rows = []
    for kind in {**before, **after}:
        count, size = after.get(kind, nothing)
        count_before, size_before = before.get(kind, nothing)
        if count != count_before or size != size_before:
            rows.append(ObjectRow(kind, count, size, count - count_before, size - size_before))
    return sorted(rows, key=lambda row: (row.delta_bytes > 0, abs(row.delta_bytes), row.delta_count), reverse=True)
