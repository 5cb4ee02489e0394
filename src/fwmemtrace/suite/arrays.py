"""Takes stock of the tensors and arrays that live in this process: each storage once, and which of them are equal."""

from __future__ import annotations

from collections import defaultdict

from ..heap.live_storages import find_storages
from ..heap.tensor_names import BUFFER, PARAMETER
from ..records import SuiteArray, SuiteArrays
from ..system.own_memory import OwnMemory, Residency
from .equal_storages import find_twins


def take_stock() -> SuiteArrays:
    """Look at every tensor and array in this process's memory that can be reached.

    Where the page map cannot be read, every byte counts as resident and private.
    """
    storages = [storage for storage in find_storages(borrowed=True).storages if storage.in_process]
    rows: dict[tuple[str, str, int, bool], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    private: dict[int, int] = {}
    with OwnMemory() as memory:
        for storage in storages:
            size = storage.size_bytes
            residency = memory.residency(storage.address, size) or Residency(size, size)
            private[storage.address] = residency.private
            row = rows[storage.library, storage.dtype, storage.item_bytes, storage.role in (PARAMETER, BUFFER)]
            for column, figure in enumerate((1, size, *residency)):
                row[column] += figure
    arrays = [
        SuiteArray(library, dtype, item_bytes, count, size, resident, own, parameters)
        for (library, dtype, item_bytes, parameters), (count, size, resident, own) in rows.items()
    ]
    return SuiteArrays(sorted(arrays, key=lambda row: -row.bytes), find_twins(storages, private))
