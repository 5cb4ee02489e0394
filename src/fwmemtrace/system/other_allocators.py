"""Reads the figures of an allocator that replaces glibc's malloc: jemalloc, tcmalloc or mimalloc.

They are loaded by `LD_PRELOAD` or linked into the interpreter. Their memory is anonymous, and nothing in smaps or in
the memory itself identifies it, but each keeps count of it:

    jemalloc   mallctl(3): stats.allocated, stats.resident
    tcmalloc   MallocExtension_GetNumericProperty of gperftools: generic.current_allocated_bytes, generic.heap_size, and
               the pages returned to the kernel, tcmalloc.pageheap_unmapped_bytes
    mimalloc   mi_process_info: committed bytes; it does not say how much of them is in use
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..foreign_errors import pass_on


class HeapSize(NamedTuple):
    """The size of an allocator's heap, in bytes."""

    in_use: int | None  # None where the allocator does not say
    retained: int  # obtained from the kernel and not returned


class OtherAllocator(NamedTuple):
    """An allocator and the function that reads its figures."""

    name: str
    read: Callable[[], HeapSize]


def find_other_allocator() -> OtherAllocator | None:
    """Return the allocator that is loaded into this process, judged by its functions; None if there is none."""
    import ctypes

    try:
        process = ctypes.CDLL(None)
    except (OSError, TypeError) as error:  # Windows
        pass_on(error)
        return None
    for name, symbol, make in (
        ("jemalloc", "mallctl", jemalloc_reader),
        ("tcmalloc", "MallocExtension_GetNumericProperty", _tcmalloc),
        ("mimalloc", "mi_process_info", _mimalloc),
    ):
        function = getattr(process, symbol, None)
        if function is not None:
            return OtherAllocator(name, make(function))
    return None


def jemalloc_reader(mallctl: Any) -> Callable[[], HeapSize]:
    """Return a function that reads jemalloc's figures.

    Args:
        mallctl: its function mallctl(3), under whatever name.
    """
    from ctypes import byref, c_char_p, c_size_t, c_uint64, c_void_p, sizeof

    mallctl.argtypes = [c_char_p, c_void_p, c_void_p, c_void_p, c_size_t]

    def figure(name: bytes) -> int:
        value, size = c_size_t(), c_size_t(sizeof(c_size_t))
        return 0 if mallctl(name, byref(value), byref(size), None, 0) else value.value

    def read() -> HeapSize:
        epoch = c_uint64(1)  # writing it brings the figures up to date
        mallctl(b"epoch", None, None, byref(epoch), sizeof(epoch))
        return HeapSize(figure(b"stats.allocated"), figure(b"stats.resident"))

    return read


def _tcmalloc(get: Any) -> Callable[[], HeapSize]:
    from ctypes import byref, c_char_p, c_size_t, c_void_p

    get.argtypes = [c_char_p, c_void_p]

    def figure(name: bytes) -> int:
        value = c_size_t()
        return value.value if get(name, byref(value)) else 0

    def read() -> HeapSize:
        retained = figure(b"generic.heap_size") - figure(b"tcmalloc.pageheap_unmapped_bytes")
        return HeapSize(figure(b"generic.current_allocated_bytes"), max(0, retained))

    return read


def _mimalloc(info: Any) -> Callable[[], HeapSize]:
    from ctypes import byref, c_size_t, c_void_p

    info.argtypes = [c_void_p] * 8
    info.restype = None

    def read() -> HeapSize:
        figures = [c_size_t() for _ in range(8)]
        info(*(byref(each) for each in figures))
        return HeapSize(None, figures[5].value)  # current_commit

    return read
