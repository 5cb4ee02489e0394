"""Asks packages that bring an allocator of their own how much of its memory is in use.

Only packages that the program has imported are asked, and nothing is imported for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache

from ..records import PoolFigures
from .other_allocators import HeapSize, jemalloc_reader


def read_pools() -> list[PoolFigures]:
    """Return the figures of the pools that have been used; those that cannot be asked are left out."""
    return [*_arrow(), *_duckdb()]


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


def _duckdb() -> list[PoolFigures]:
    """DuckDB's jemalloc, which its extension module exports; an unused one is not asked, which would set it up."""
    module = sys.modules.get("_duckdb") or sys.modules.get("duckdb.duckdb")  # the latter before 1.4
    path = getattr(module, "__file__", None)
    read = None if path is None else _duckdb_reader(path)
    size = None if read is None else read()
    if size is None or size.in_use is None:
        return []
    return [PoolFigures("DuckDB", "jemalloc", size.in_use, size.retained)]


@cache
def _duckdb_reader(path: str) -> Callable[[], HeapSize | None] | None:
    import ctypes

    try:
        library = ctypes.CDLL(path)
        state = ctypes.c_int.in_dll(library, "duckdb_je_malloc_init_state")
        read = jemalloc_reader(library.duckdb_je_mallctl)
    except (OSError, AttributeError, ValueError):  # a build without it, such as those for macOS
        return None
    return lambda: None if state.value else read()  # 0 once it is initialised
