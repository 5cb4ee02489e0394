"""Records live tensors and arrays around each phase: their storages, each counted once, by kind and by owner."""

from __future__ import annotations

import marshal
from collections import defaultdict
from collections.abc import Iterable
from heapq import nlargest
from time import perf_counter_ns
from typing import ClassVar, TypeAlias

from ..heap.accelerators import AcceleratorUsage, read_accelerators
from ..heap.live_storages import find_storages
from ..heap.storages import Storage
from ..records import AcceleratorMemory, TensorCensus, TensorRow, TensorStorage
from ..tracing.span import Span
from .base import Probe, ProbeContext
from .exclusion import ExcludedData, excluded

# Library, dtype, device, role, backing; the number of storages and their bytes.
Kind: TypeAlias = tuple[str, str, str, str, str]
Groups: TypeAlias = dict[Kind, tuple[int, int]]
_FILE = "file"


class TensorsProbe(Probe):
    """Finds storages at both edges of a phase; see `heap.storages` for which, and `governor` for how often."""

    name: ClassVar[str] = "tensors"
    rank: ClassVar[int] = 30

    def start(self, context: ProbeContext) -> None:
        self._context = context
        self._budget = context.governor.for_probe(context.settings.detail_share)

    def phase_began(self, span: Span) -> ExcludedData | None:
        if not self._budget.grants(span.path):
            return None
        began = perf_counter_ns()
        with excluded():
            before = group(find_storages().storages)
            devices = {device: tuple(reading) for device, reading in read_accelerators().items()}
            packed = ExcludedData(marshal.dumps((before, devices)))
            del before, devices
        self._budget.spend(perf_counter_ns() - began)
        return packed

    def phase_ended(self, span: Span, state: ExcludedData | None) -> None:
        if state is None:
            return
        began = perf_counter_ns()
        with excluded():
            storages, unreadable = find_storages()
            before, devices_before = marshal.loads(state.take())
            census = compare(before, storages, self._context.settings.top, span.id, unreadable)
            devices = read_accelerators()
            del storages, before
        self._budget.spend(perf_counter_ns() - began)
        self._context.emit(census)
        for device, reading in devices.items():
            earlier = AcceleratorUsage(*devices_before.get(device, (device, 0, 0, 0)))
            self._context.emit(
                AcceleratorMemory(
                    span.id,
                    device,
                    reading.allocated,
                    reading.allocated - earlier.allocated,
                    reading.reserved,
                    reading.peak_allocated,
                )
            )

    def after_fork(self, context: ProbeContext) -> None:
        self._context = context


def group(storages: Iterable[Storage]) -> Groups:
    """Return the number of storages of each kind, and their bytes."""
    groups: defaultdict[Kind, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for storage in storages:
        kind = (storage.library, storage.dtype, storage.device, storage.role, storage.backing)
        count, size = groups[kind]
        groups[kind] = count + 1, size + storage.size_bytes
    return dict(groups)


def compare(before: Groups, storages: list[Storage], top: int, span: int, unreadable: int = 0) -> TensorCensus:
    """Return the census at the end of a phase, with the differences from its begin.

    Args:
        before: the groups at the begin.
        storages: the storages at the end.
        top: how many of the largest storages are listed one by one.
        span: the id of the phase's span.
        unreadable: the number of tensors that could not be inspected.
    """
    after = group(storages)
    rows = [
        TensorRow(*kind, *after.get(kind, (0, 0)), after.get(kind, (0, 0))[1] - before.get(kind, (0, 0))[1])
        for kind in sorted({**before, **after})
    ]
    here = [row for row in rows if row.device == "cpu"]
    return TensorCensus(
        span=span,
        live_bytes=sum(row.size_bytes for row in here),
        delta_bytes=sum(row.delta_bytes for row in here),
        file_backed_bytes=sum(row.size_bytes for row in here if row.backing == _FILE),
        storages=len(storages),
        rows=rows,
        top=[_record(storage) for storage in nlargest(top, storages, key=lambda storage: storage.size_bytes)],
        unreadable=unreadable,
    )


def _record(storage: Storage) -> TensorStorage:
    return TensorStorage(
        library=storage.library,
        dtype=storage.dtype,
        device=storage.device,
        role=storage.role,
        backing=storage.backing,
        owner=storage.owner,
        model=storage.model,
        shape=storage.shape,
        size_bytes=storage.size_bytes,
        aliases=storage.aliases,
    )
