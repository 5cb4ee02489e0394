"""Folds the tensor censuses and accelerator figures of one process by phase path."""

from __future__ import annotations

from collections import defaultdict
from typing import ClassVar

from .. import results
from ..paths import PhasePath
from ..records import AcceleratorMemory, Record, TensorCensus, TensorRow

_DEFAULT_TOP = 20


class _Totals:
    """What the phases of one path add up to."""

    def __init__(self) -> None:
        self.calls = 0
        self.delta_bytes = 0
        self.latest: TensorCensus | None = None
        self.deltas: defaultdict[tuple[str, str, str, str, str], int] = defaultdict(int)
        self.accelerators: dict[str, results.Accelerator] = {}

    def add(self, record: TensorCensus) -> None:
        self.calls += 1
        self.delta_bytes += record.delta_bytes
        self.latest = record
        for row in record.rows:
            self.deltas[_kind(row)] += row.delta_bytes

    def add_accelerator(self, record: AcceleratorMemory) -> None:
        known = self.accelerators.get(record.device)
        self.accelerators[record.device] = results.Accelerator(
            device=record.device,
            allocated_bytes=record.allocated_bytes,
            delta_allocated_bytes=record.delta_allocated_bytes + (known.delta_allocated_bytes if known else 0),
            reserved_bytes=record.reserved_bytes,
            peak_allocated_bytes=max(record.peak_allocated_bytes, known.peak_allocated_bytes if known else 0),
        )


class TensorsFold:
    """Adds up the censuses of each path: changes are sums over the calls, what is live comes from the latest one."""

    takes: ClassVar[tuple[type[Record], ...]] = (TensorCensus, AcceleratorMemory)

    def __init__(self) -> None:
        self._paths: defaultdict[PhasePath, _Totals] = defaultdict(_Totals)

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record; kinds that are not in `takes` are ignored."""
        if isinstance(record, TensorCensus):
            self._paths[path].add(record)
        elif isinstance(record, AcceleratorMemory):
            self._paths[path].add_accelerator(record)

    def result(self, top: int = _DEFAULT_TOP) -> dict[PhasePath, results.Tensors]:
        """Return a row for each path that had a census.

        Args:
            top: the largest number of storages in a row.
        """
        return {path: _row(totals, totals.latest, top) for path, totals in self._paths.items() if totals.latest}


def _kind(row: TensorRow) -> tuple[str, str, str, str, str]:
    return row.library, row.dtype, row.device, row.role, row.backing


def _row(totals: _Totals, latest: TensorCensus, top: int) -> results.Tensors:
    by_dtype: defaultdict[str, int] = defaultdict(int)
    by_role: defaultdict[str, int] = defaultdict(int)
    for row in latest.rows:
        if row.device == "cpu" and row.size_bytes:
            by_dtype[row.dtype] += row.size_bytes
            by_role[row.role] += row.size_bytes
    groups = [
        results.TensorGroup(
            library=row.library,
            dtype=row.dtype,
            device=row.device,
            role=row.role,
            backing=row.backing,
            count=row.count,
            size_bytes=row.size_bytes,
            delta_bytes=totals.deltas[_kind(row)],
        )
        for row in latest.rows
    ]
    return results.Tensors(
        live_bytes=latest.live_bytes,
        delta_bytes=totals.delta_bytes,
        by_dtype=dict(by_dtype),
        file_backed_bytes=latest.file_backed_bytes,
        storages=latest.storages,
        calls=totals.calls,
        by_role=dict(by_role),
        groups=sorted(groups, key=lambda group: -group.size_bytes),
        top=[
            results.TensorStorage(
                owner=storage.owner,
                model=storage.model,
                library=storage.library,
                dtype=storage.dtype,
                device=storage.device,
                role=storage.role,
                backing=storage.backing,
                shape=list(storage.shape),
                size_bytes=storage.size_bytes,
                aliases=list(storage.aliases),
            )
            for storage in latest.top[:top]
        ],
        accelerators=list(totals.accelerators.values()),
    )
