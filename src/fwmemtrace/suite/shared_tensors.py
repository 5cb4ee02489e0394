"""Lets torch tensors with equal contents share one storage, to measure what one copy of a model saves."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from typing import Any

from ..heap.live_storages import find_storages, instances
from ..heap.storages import Storage
from ..records import SuiteTwin
from .equal_storages import equal_groups, find_twins


def share_equal_tensors() -> list[SuiteTwin]:
    """Make all tensors with equal contents look at one copy; their other copies are freed. Returns what was shared."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return []
    storages = [one for one in find_storages().storages if one.in_process and one.library == "torch"]
    kept = _kept(equal_groups(storages))
    if not kept:
        return []
    twins = find_twins(storages, {one.address: one.size_bytes for one in storages})
    tensors = instances(gc.get_objects(), torch.Tensor)
    by_address = {one.untyped_storage().data_ptr(): one for one in tensors if one.device.type == "cpu"}
    with torch.no_grad():
        for tensor in tensors:
            keep = kept.get(tensor.untyped_storage().data_ptr()) if tensor.device.type == "cpu" else None
            if keep is None or keep not in by_address:
                continue
            view = torch.empty(0, dtype=tensor.dtype)
            view.set_(by_address[keep].untyped_storage(), tensor.storage_offset(), tensor.size(), tensor.stride())
            tensor.data = view
    return twins


def _kept(groups: Sequence[Sequence[Storage]]) -> dict[int, int]:
    """Maps the address of each further copy to that of the copy that stays."""
    return {copy.address: group[0].address for group in groups for copy in group[1:]}
