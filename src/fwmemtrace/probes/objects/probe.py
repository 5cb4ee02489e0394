"""Takes a census of live Python objects at both edges of a phase, and records which types grew in between."""

from __future__ import annotations

import gc
import marshal
from sys import getsizeof
from time import perf_counter_ns
from types import MethodType
from typing import ClassVar

import msgspec

from ...heap.census import Census, take_census, totals, type_name
from ...heap.reference_chains import ReferenceChain, chain_to, examples
from ...paths import PhasePath, write
from ...records import HolderStep, ObjectCensus, ObjectHolder, ObjectRow
from ...system.garbage_collector import CollectorPaused
from ...tracing.phases import MOST_PATHS
from ...tracing.span import Span, current, set_current
from ..base import Probe, ProbeContext
from ..exclusion import (
    ExcludedData,
    background_rests,
    excluded,
    leave_out,
    leave_out_no_longer,
    left_out,
    own_objects,
)
from ..path_table import PathTable
from .grown_types import Grown, GrownTypes

_OWN_TYPES = __name__.partition(".")[0] + "."
_CONTEXT_NODES = ("builtins.hamt",)  # how contexts store variables; each task whose span becomes current gets its own
_HOLDER_LIMIT_NS = 2_000_000_000
_SPACED_NS = 2_000_000_000  # that censuses of runs 2, 4, 8, 16, ... may take on top of their share of the time


class ObjectsProbe(Probe):
    """Counts objects by type; see `heap.census` for which, and `governor` for the runs that have no census.

    Objects of the tracer's own types are left out, with their bound methods, what the probes keep from begin to end of
    open phases, and the nodes of contexts. Garbage in reference cycles counts until it is collected, as it does in RSS:
    a collection before the census would change what is measured. The runs 2, 4, 8, 16, ... of a phase have a census
    even if those before took their share of the time, so that growth over many runs shows. When the session ends, the
    probe looks for what keeps alive the types that grew from run to run.
    """

    name: ClassVar[str] = "objects"
    rank: ClassVar[int] = 40

    def __init__(self) -> None:
        self._grown = GrownTypes()
        self._runs: PathTable[int] = PathTable(MOST_PATHS)

    def start(self, context: ProbeContext) -> None:
        self._context = context
        self._budget = context.governor.for_probe(context.settings.detail_share)
        with excluded(), CollectorPaused():
            changes({}, take_census())  # what its first use creates must not be the first phase's
        leave_out(self)

    def phase_began(self, span: Span) -> ExcludedData | None:
        if not self._is_wanted(span.path):
            return None
        began = perf_counter_ns()
        set_current(current.get())  # else the thread would get its context, an object, when the span becomes current
        with excluded(), CollectorPaused():  # a census makes so many objects that the collector would run after it
            # Packed, so that the next census finds one object and its bytes.
            packed = ExcludedData(marshal.dumps(self._take_census(span)))
        self._budget.spend(perf_counter_ns() - began)
        return packed

    def phase_ended(self, span: Span, state: ExcludedData | None) -> None:
        if state is None:
            return
        began = perf_counter_ns()
        with excluded(), CollectorPaused():
            after = self._take_census(span)
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
        leave_out_no_longer(self)
        wanted = self._context.settings.holders
        if not wanted:
            return
        with CollectorPaused():  # it would free the cycles that are looked for
            census = take_census()
            for grown in self._grown.largest(wanted, census):
                found = find_holder(grown, census)
                if found is not None:
                    self._context.emit(self._without_secrets(found))

    def _without_secrets(self, found: ObjectHolder) -> ObjectHolder:
        """Return a holder without secrets: a program may have them as keys of a dict."""
        redact = self._context.redact
        chain = [HolderStep(step.type, redact(step.link), step.name) for step in found.chain]
        return msgspec.structs.replace(found, chain=chain)

    def _is_wanted(self, path: PhasePath) -> bool:
        """Return whether this run of a phase has a census. Counts it."""
        run = self._runs.get(path, 0) + 1
        is_spaced = self._runs.put(path, run) and not run & (run - 1)
        share = self._context.settings.detail_share
        return self._budget.grants(path) or (is_spaced and share > 0 and self._budget.affords(extra_ns=_SPACED_NS))

    def _take_census(self, span: Span) -> Census:
        with background_rests():
            found = take_census()
            open_things = [thing for thing in gc.get_objects() if type(thing) in (Span, MethodType)]
            spans = [thing for thing in open_things if type(thing) is Span]  # of other phases, too
            methods = [thing for thing in open_things if type(thing) is MethodType and _is_own(thing.__self__)]
            own = {id(thing): thing for thing in (*own_objects(span.state, span, *spans), *left_out(), *methods)}
        packed = [thing.data for thing in own.values() if type(thing) is ExcludedData]
        census = {kind: row for kind, row in found.items() if not kind.startswith((_OWN_TYPES, *_CONTEXT_NODES))}
        for thing in (*own.values(), *packed):
            if _is_own(thing):
                continue
            kind = type_name(type(thing))
            count, size = census.get(kind, (0, 0))
            census[kind] = count - 1, size - getsizeof(thing)
        return census


def _is_own(thing: object) -> bool:
    return type_name(type(thing)).startswith(_OWN_TYPES)


def find_holder(grown: Grown, census: Census) -> ObjectHolder | None:
    """Find what keeps objects of a type alive; None if no such object is left.

    Several objects are looked at, and the holder that most of them have is taken: one may be in a variable as well. Of
    a builtin type, one that has no holder may be the tracer's own, so it is not reported.

    Args:
        grown: the type.
        census: of all objects.
    """
    found: list[ReferenceChain] = []
    started = perf_counter_ns()
    for example in examples(grown.kind, grown.size_bytes / grown.objects, limit_ns=_HOLDER_LIMIT_NS):
        left = _HOLDER_LIMIT_NS - (perf_counter_ns() - started)
        if found and left <= 0:
            break
        found.append(chain_to(example, left))
    known = [chain for chain in found if chain.is_known]
    if not known and (not found or grown.kind.startswith("builtins.")):
        return None
    holders = [chain.holder for chain in known or found]
    root, steps, note = max(known or found, key=lambda chain: holders.count(chain.holder))
    count = census.get(grown.kind, (0, 0))[0]
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
