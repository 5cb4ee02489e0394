"""Asks an allocator that stands in for glibc's malloc what it holds: jemalloc, tcmalloc, mimalloc.

They are put in place by `LD_PRELOAD`, or linked to the interpreter. Their memory is anonymous and carries no mark that
smaps or a look into it would tell, but each keeps count of it:

    jemalloc   mallctl(3): stats.allocated, stats.resident
    tcmalloc   MallocExtension_GetNumericProperty of gperftools: generic.current_allocated_bytes, generic.heap_size, and
               the pages given back, tcmalloc.pageheap_unmapped_bytes
    mimalloc   mi_process_info: what is committed; it does not say how much of that is in use
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Figures = tuple[int | None, int]  # bytes in use, None where it does not say; bytes that it has from the kernel


class OtherAllocator(NamedTuple):
    """An allocator and the way to its figures."""

    name: str
    read: Callable[[], Figures]


def find_other_allocator() -> OtherAllocator | None:
    """The one that is in this process, if its functions are there to be found."""
    import ctypes

    try:
        process = ctypes.CDLL(None)
    except (OSError, TypeError):  # there is no such thing on Windows
        return None
    for name, symbol, make in (
        ("jemalloc", "mallctl", _jemalloc),
        ("tcmalloc", "MallocExtension_GetNumericProperty", _tcmalloc),
        ("mimalloc", "mi_process_info", _mimalloc),
    ):
        function = getattr(process, symbol, None)
        if function is not None:
            return OtherAllocator(name, make(function))
    return None


def _jemalloc(mallctl: Any) -> Callable[[], Figures]:
    from ctypes import byref, c_char_p, c_size_t, c_uint64, c_void_p, sizeof

    mallctl.argtypes = [c_char_p, c_void_p, c_void_p, c_void_p, c_size_t]

    def figure(name: bytes) -> int:
        value, size = c_size_t(), c_size_t(sizeof(c_size_t))
        return 0 if mallctl(name, byref(value), byref(size), None, 0) else value.value

    def read() -> Figures:
        epoch = c_uint64(1)  # writing it brings the figures up to date
        mallctl(b"epoch", None, None, byref(epoch), sizeof(epoch))
        return figure(b"stats.allocated"), figure(b"stats.resident")

    return read


def _tcmalloc(get: Any) -> Callable[[], Figures]:
    from ctypes import byref, c_char_p, c_size_t, c_void_p

    get.argtypes = [c_char_p, c_void_p]

    def figure(name: bytes) -> int:
        value = c_size_t()
        return value.value if get(name, byref(value)) else 0

    def read() -> Figures:
        held = figure(b"generic.heap_size") - figure(b"tcmalloc.pageheap_unmapped_bytes")
        return figure(b"generic.current_allocated_bytes"), max(0, held)

    return read


def _mimalloc(info: Any) -> Callable[[], Figures]:
    from ctypes import byref, c_size_t, c_void_p

    info.argtypes = [c_void_p] * 8
    info.restype = None

    def read() -> Figures:
        figures = [c_size_t() for _ in range(8)]
        info(*(byref(each) for each in figures))
        return None, figures[5].value  # current_commit

    return read
