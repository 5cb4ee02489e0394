"""Takes a census of live Python objects at both edges of a phase, and records which types grew in between."""

from __future__ import annotations

import marshal
from sys import getsizeof
from time import perf_counter_ns
from typing import ClassVar

from ...heap.census import Census, take_census, totals, type_name
from ...heap.reference_chains import chain_to, newest
from ...paths import write
from ...records import ObjectCensus, ObjectHolder, ObjectRow
from ...tracing.span import Span
from ..base import Probe, ProbeContext
from ..exclusion import ExcludedData, excluded, own_objects
from .grown_types import Grown, GrownTypes

_OWN_TYPES = __name__.partition(".")[0] + "."
_BYTES = "builtins.bytes"
_HOLDER_LIMIT_NS = 2_000_000_000


class ObjectsProbe(Probe):
    """Counts objects by type; see `heap.census` for which, and `governor` for the runs that have no census.

    Objects of the tracer's own types are left out, and so is what the probes keep from begin to end of a phase. Garbage
    in reference cycles counts until it is collected, as it does in RSS: a collection before the census would change
    what is measured. When the session ends, the probe looks for what keeps alive the types that grew from run to run.
    """

    name: ClassVar[str] = "objects"
    rank: ClassVar[int] = 40

    def __init__(self) -> None:
        self._grown = GrownTypes()

    def start(self, context: ProbeContext) -> None:
        self._context = context
        self._budget = context.governor.for_probe(context.settings.detail_share)

    def phase_began(self, span: Span) -> ExcludedData | None:
        if not self._budget.grants(span.path):
            return None
        began = perf_counter_ns()
        with excluded():
            # Packed, so that the next census finds one object and its bytes.
            packed = ExcludedData(marshal.dumps(self._take_census(span)))
        self._budget.spend(perf_counter_ns() - began)
        return packed

    def phase_ended(self, span: Span, state: ExcludedData | None) -> None:
        if state is None:
            return
        began = perf_counter_ns()
        with excluded():
            after = self._take_census(span)
            count, size = after[_BYTES]
            after[_BYTES] = count - 1, size - state.size
            before: Census = marshal.loads(state.take())
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
                self._context.note(
                    "objgraph is not installed: nothing was looked for that keeps growing types alive; "
                    "pip install 'fwmemtrace[objects]'"
                )
                return
            if found is not None:
                self._context.emit(found)

    def _take_census(self, span: Span) -> Census:
        census = {kind: found for kind, found in take_census().items() if not kind.startswith(_OWN_TYPES)}
        for thing in own_objects(span.state):
            kind = type_name(type(thing))
            if kind.startswith(_OWN_TYPES):
                continue
            count, size = census.get(kind, (0, 0))
            census[kind] = count - 1, size - getsizeof(thing)
        return census


def find_holder(grown: Grown) -> ObjectHolder | None:
    """Find what keeps an object of a type alive; None if no such object is left.

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
    """Return the types that changed: those that grew first, then those that shrank, the largest changes first.

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
