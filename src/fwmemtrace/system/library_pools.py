"""Asks packages that bring an allocator of their own how much of its memory is in use.

Only packages that the program has imported are asked, and nothing is imported for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache

from ..foreign_errors import pass_on
from ..records import PoolFigures
from .descriptors import read_file
from .other_allocators import HeapSize, jemalloc_reader
from .proc import path_of

# The extension module of polars, which is built for several kinds of processors.
_POLARS = (
    "_polars_runtime_32._polars_runtime",
    "_polars_runtime_64._polars_runtime",
    "_polars_runtime_compat._polars_runtime",
    "polars.polars",  # before 1.34
)


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
    except Exception as error:  # whatever a version of it raises, the ledger goes on without the figure
        pass_on(error)
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
    except (OSError, AttributeError, ValueError) as error:  # a build without it, such as those for macOS
        pass_on(error)
        return None
    return lambda: None if state.value else read()  # 0 once it is initialised


def find_pool_lookup() -> Callable[[int], str] | None:
    """Return a function that names the pool of a library in which an address is, "" for none; None without such pools.

    The jemalloc of polars is built without statistics and leaves no mark in its memory. But it can tell whether an
    address is where one of its extents starts (`arenas.lookup` of mallctl(3)), without reading from there.
    """
    module = next((module for name in _POLARS if (module := sys.modules.get(name)) is not None), None)
    path = getattr(module, "__file__", None)
    return None if path is None else _jemalloc_lookup(path, "polars' jemalloc")


@cache
def _jemalloc_lookup(path: str, pool: str) -> Callable[[int], str] | None:
    from ctypes import PYFUNCTYPE, byref, c_char_p, c_int, c_size_t, c_uint, c_void_p, sizeof

    from .elf_symbols import find_symbol

    address = find_symbol(path, b"_rjem_mallctl")
    start = _start_of(path)
    if address is None or start is None:
        return None
    # It keeps the interpreter's lock: there may be hundreds of addresses.
    mallctl = PYFUNCTYPE(c_int, c_char_p, c_void_p, c_void_p, c_void_p, c_size_t)(start + address)

    def lookup(address: int) -> str:
        arena, size, asked = c_uint(), c_size_t(sizeof(c_uint)), c_void_p(address)
        failed = mallctl(b"arenas.lookup", byref(arena), byref(size), byref(asked), sizeof(asked))
        return "" if failed else pool

    return lookup


def _start_of(path: str) -> int | None:
    """Return the address at which a library is mapped; None if it is not."""
    for line in read_file(path_of("maps")).splitlines():
        words = line.split(None, 5)
        if len(words) == 6 and words[5] == path.encode(errors="surrogateescape"):
            return int(words[0].partition(b"-")[0], 16)
    return None
