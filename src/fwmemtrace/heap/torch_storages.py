"""What the sizes that torch's storages give of themselves count too much.

`sys.getsizeof` of a storage includes what it looks at: also a mapped file, of which little may be resident, another
device's memory, and memory that a second storage looks at.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from ..system.backing import BackingMap


def storage_types() -> set[type]:
    """Return the types of torch's storages; none if the program has not imported torch."""
    torch: Any = sys.modules.get("torch")
    kinds = (getattr(torch, name, None) for name in ("UntypedStorage", "TypedStorage"))
    return {kind for kind in kinds if kind is not None}


def surplus_of(storages: Iterable[Any]) -> int:
    """Return how many bytes of the storages' sizes are no private memory of this process, or were counted already."""
    backings = BackingMap()
    seen: set[int] = set()
    surplus = 0
    for storage in storages:
        try:
            size, address, device = storage.nbytes(), storage.data_ptr(), storage.device.type
        except Exception:  # one without memory, as of fake tensors
            continue
        is_typed = hasattr(storage, "_untyped_storage")  # it looks at another storage, which has a size of its own
        if is_typed or device != "cpu" or address in seen or backings.backing_at(address) != "private":
            surplus += size
        seen.add(address)
    return surplus
