"""What torch's caching allocators say of accelerators that the program has used. Nothing is initialised for asking."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple


class Reading(NamedTuple):
    """One device, in bytes."""

    device: str
    allocated: int
    reserved: int
    peak_allocated: int  # since the process began or somebody reset it


def read_accelerators() -> dict[str, Reading]:
    """By device, for each that has been initialised; empty where torch has not been imported."""
    torch = sys.modules.get("torch")
    return {reading.device: reading for reading in _readings(torch)} if torch is not None else {}


def _readings(torch: Any) -> Iterator[Reading]:
    for kind in ("cuda", "xpu"):  # "cuda" is AMD's too
        backend = getattr(torch, kind, None)
        if backend is None or not getattr(backend, "is_initialized", lambda: False)():
            continue
        for number in range(backend.device_count()):
            reserved = backend.memory_reserved(number)
            if reserved:
                yield Reading(
                    f"{kind}:{number}",
                    backend.memory_allocated(number),
                    reserved,
                    backend.max_memory_allocated(number),
                )
    # Apple's has no peak, and no question whether it is in use: its module is loaded with torch, its driver is not.
    mps = getattr(torch, "mps", None)
    if mps is not None and sys.platform == "darwin" and torch.backends.mps.is_available():
        allocated = mps.current_allocated_memory()
        if allocated:
            yield Reading("mps", allocated, mps.driver_allocated_memory(), 0)
