"""Asks packages that bring an allocator of their own how much of its memory is in use.

Only packages that the program has imported are asked, and nothing is imported for it.
"""

from __future__ import annotations

import sys

from ..records import PoolFigures


def read_pools() -> list[PoolFigures]:
    """Return the figures of the pools that have been used; those that cannot be asked are left out."""
    return _arrow()


def _arrow() -> list[PoolFigures]:
    """Arrow's pool, by `pyarrow.default_memory_pool()`."""
    get_pool = getattr(sys.modules.get("pyarrow.lib"), "default_memory_pool", None)  # it may be half imported
    if get_pool is None:
        return []
    try:
        pool = get_pool()
        allocator, in_use, peak = pool.backend_name, pool.bytes_allocated(), pool.max_memory()
    except Exception:  # whatever a version of it raises, the ledger goes on without the figure
        return []
    if allocator == "system" or not peak:  # "system" is malloc, whose figures have it already
        return []
    return [PoolFigures("Arrow", allocator, in_use, peak)]
