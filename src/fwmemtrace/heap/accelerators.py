"""Reads torch's caching allocators for accelerators that the program has initialised."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple


class AcceleratorUsage(NamedTuple):
    """The memory of one device, in bytes."""

    device: str
    allocated: int
    reserved: int
    peak_allocated: int  # since the process began or the program reset it


def read_accelerators() -> dict[str, AcceleratorUsage]:
    """Read every device that the program has initialised, by its name; none where torch has not been imported."""
    torch = sys.modules.get("torch")
    return {usage.device: usage for usage in _devices(torch)} if torch is not None else {}


def _devices(torch: Any) -> Iterator[AcceleratorUsage]:
    for kind in ("cuda", "xpu"):  # AMD's devices are "cuda", too
        backend = getattr(torch, kind, None)
        if backend is None or not getattr(backend, "is_initialized", lambda: False)():
            continue
        for number in range(backend.device_count()):
            reserved = backend.memory_reserved(number)
            if reserved:
                yield AcceleratorUsage(
                    f"{kind}:{number}",
                    backend.memory_allocated(number),
                    reserved,
                    backend.max_memory_allocated(number),
                )
    # Apple's has no peak, and nothing shows whether it is in use: torch loads its module, but not its driver.
    mps = getattr(torch, "mps", None)
    if mps is not None and sys.platform == "darwin" and torch.backends.mps.is_available():
        allocated = mps.current_allocated_memory()
        if allocated:
            yield AcceleratorUsage("mps", allocated, mps.driver_allocated_memory(), 0)
