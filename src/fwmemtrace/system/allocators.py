"""Asks the allocators how much of their memory is in use, through functions of the C library and of CPython.

glibc's `mallinfo2` (which psutil's `heap_info` reads too, but psutil is bigger to load) and CPython's
`_PyObject_DebugMallocStats`, which `sys._debugmallocstats` calls with the program's stderr. Here it prints into a
buffer instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..foreign_errors import pass_on
from ..records import AllocatorFigures
from .library_pools import read_pools
from .other_allocators import HeapSize, find_other_allocator

try:  # built in, and not in `sys.modules` where `python -X tracemalloc` has started it
    import _tracemalloc
except ImportError:
    _tracemalloc = None  # type: ignore[assignment]

_TEXT = 32 * 1024  # bytes; CPython prints a few kB
_ARENAS = re.compile(rb"^(\d+) arenas \* (\d+) bytes/arena", re.MULTILINE)
_IN_USE = re.compile(rb"^# bytes in allocated blocks += +([\d,]+)", re.MULTILINE)
_MALLINFO2 = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class AllocatorReader:
    """Finds the allocators of this process once, and reads their figures as often as needed."""

    def __init__(self) -> None:
        self._malloc = _mallinfo2()
        self._python = _debug_malloc_stats()
        self._other = find_other_allocator()

    def read(self) -> AllocatorFigures:
        """Read the present figures, which takes a fraction of a millisecond."""
        malloc_in_use = malloc_mapped = arenas = in_use = None
        if self._malloc is not None:
            info = self._malloc()
            malloc_in_use, malloc_mapped = info.uordblks, info.hblkhd
        if self._python is not None:
            arenas, in_use = parse_python_figures(self._python())
        traced = _tracemalloc_bytes()
        name, other = None, HeapSize(None, 0)
        if self._other is not None:
            name, other = self._other.name, self._other.read()
        return AllocatorFigures(
            malloc_in_use, malloc_mapped, arenas, in_use, traced, name, other.in_use, other.retained, read_pools()
        )


def read_malloc_in_use() -> int | None:
    """Return the bytes that malloc has given out; None where the C library does not report it."""
    read = _mallinfo2()
    if read is None:
        return None
    info = read()
    return int(info.uordblks + info.hblkhd)


def parse_python_figures(text: bytes) -> tuple[int | None, int | None]:
    """Parse the output of `_PyObject_DebugMallocStats`.

    Returns:
        Bytes of arenas, and bytes of objects in them; None for a figure that is missing.
    """
    arenas, in_use = _ARENAS.search(text), _IN_USE.search(text)
    return (
        None if arenas is None else int(arenas[1]) * int(arenas[2]),
        None if in_use is None else int(in_use[1].replace(b",", b"")),
    )


def _mallinfo2() -> Callable[[], Any] | None:
    import ctypes

    try:
        function = ctypes.CDLL(None).mallinfo2
    except (OSError, AttributeError) as error:  # another C library, or glibc before 2.33
        pass_on(error)
        return None

    class Mallinfo2(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t) for name in _MALLINFO2]

    function.restype = Mallinfo2
    function.argtypes = []
    call: Callable[[], Any] = function
    return call


def _debug_malloc_stats() -> Callable[[], bytes] | None:
    import ctypes

    try:
        libc = ctypes.CDLL(None)
        fmemopen, fclose = libc.fmemopen, libc.fclose
        stats = ctypes.pythonapi._PyObject_DebugMallocStats  # called with the GIL held
    except (OSError, AttributeError) as error:
        pass_on(error)
        return None
    fmemopen.restype = ctypes.c_void_p
    fmemopen.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p]
    fclose.argtypes = stats.argtypes = [ctypes.c_void_p]
    buffer = ctypes.create_string_buffer(_TEXT)

    def read() -> bytes:
        stream = fmemopen(buffer, _TEXT, b"w")
        if not stream:
            return b""
        try:
            # While tracemalloc or another hook stands before the allocator, it prints nothing, and `fclose` leaves the
            # buffer as it was.
            buffer[0] = b"\0"
            stats(stream)
        finally:
            fclose(stream)
        return buffer.value

    return read


def _tracemalloc_bytes() -> int | None:
    if _tracemalloc is None or not _tracemalloc.is_tracing():
        return None
    return int(_tracemalloc.get_tracemalloc_memory())
