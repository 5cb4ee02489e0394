"""Has memray say which library each C and C++ frame is in, and look for its name in that library alone.

memray leaves the names to libbacktrace. For each frame it calls one function of that, `backtrace_pcinfo`, and keeps
names, source file and line, but not the library, which it knew when it called. And at the first frame in a library
without debugging information, or in one that is gone, libbacktrace falls back on what it was made for, naming the
frames of its own process: it reads all libraries of the *reading* process too, anew for each such library. That takes
about a tenth of a second each time, and a name could come from a library of the reader's, if it lies where another one
lay in the traced process. So that one function is replaced here, in the table through which memray calls it.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeAlias

from ..system.elf import jump_slot

_REPLACED = "backtrace_pcinfo"
_UNKNOWN = b"<unknown>"  # as memray calls it
_BEFORE_SOURCE = "\x1f"  # between the library's path and the source file: the separator that no path has
# Fields of libbacktrace's `struct backtrace_state`, counted in pointers: the library's path, and `fileline_fn`, which
# is there once debugging information was read.
_LIBRARY, _LINES = 0, 3

_pointer, _text, _number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
_State = ctypes.POINTER(ctypes.c_void_p)
# What libbacktrace calls: with its argument, the address, and what is known of it; or with a message and an errno.
_WithLine = ctypes.CFUNCTYPE(ctypes.c_int, _pointer, _number, _text, ctypes.c_int, _text)
_WithSymbol = ctypes.CFUNCTYPE(None, _pointer, _number, _text, _number, _number)
_WithError = ctypes.CFUNCTYPE(None, _pointer, _text, ctypes.c_int)
_ByLine = ctypes.CFUNCTYPE(ctypes.c_int, _State, _number, _WithLine, _WithError, _pointer)
_BySymbol = ctypes.CFUNCTYPE(None, _State, _number, _WithSymbol, _WithError, _pointer)
Found: TypeAlias = list[tuple[bytes, bytes, int]]  # function, source file, line


def library_and_source(file: str) -> tuple[str | None, str]:
    """Take apart what memray gives as a frame's source file.

    Returns:
        The library's path, None where memray does not say it, and the source file, "<unknown>" where that is not known.
    """
    library, found, source = file.partition(_BEFORE_SOURCE)
    return (library, source) if found else (None, file)


class _Asked(threading.local):
    """What this thread wants to know of frames; other users of memray in this process get what they always got."""

    library = False
    lines = True


_asked = _Asked()


@contextmanager
def with_libraries(*, lines: bool = True) -> Iterator[None]:
    """Have memray say the libraries of the frames that it is asked for.

    Args:
        lines: whether source files and lines are looked for, and functions that were inlined, which takes far longer
            than names do. memray keeps what it has found: a frame that is named without has no line later either.
    """
    _asked.library, _asked.lines = True, lines
    try:
        yield
    finally:
        _asked.library, _asked.lines = False, True


@cache  # also keeps what memray calls from here on
def tell_libraries() -> Any:
    """Make `with_libraries` work, from here on in this process.

    Returns:
        What stands in for libbacktrace's function. None, and nothing is changed, where memray was built in another way
        than its wheels for Linux are, or with another libbacktrace: names take longer then, and come without library.
    """
    from memray import _memray

    slot = jump_slot(_memray.__file__, _REPLACED)
    if slot is None:
        return None
    library = ctypes.CDLL(_memray.__file__)
    try:
        replaced, symbols = library[_REPLACED], library["elf_syminfo"]
        if not _is_known(library["backtrace_create_state"]):
            return None
    except AttributeError:
        return None
    names = _names(ctypes.cast(replaced, _ByLine), ctypes.cast(symbols, _BySymbol))
    replacement = _ByLine(_telling_the_library(names))
    place, function = slot
    _pointer.from_address(_address(replaced) - function + place).value = _address(replacement)
    return replacement


def _is_known(create: Any) -> bool:
    """Whether a new state of libbacktrace's is laid out as it is taken for here."""
    create.restype = _State
    state = create(b"a library", 0, None, None)
    return bool(state) and ctypes.cast(state[_LIBRARY] or 0, _text).value == b"a library" and not state[_LINES]


def _telling_the_library(names: Callable[[Any, int], Found]) -> Callable[..., int]:
    def pcinfo(state: Any, address: int, tell: Any, _error: Any, argument: int) -> int:
        before = b""
        if _asked.library:
            before = (ctypes.cast(state[_LIBRARY] or 0, _text).value or b"") + _BEFORE_SOURCE.encode()
        for name, source, line in names(state, address):
            tell(argument, address, before + source, line, name)
        return 0

    return pcinfo


def _names(by_line: Any, by_symbol: Any) -> Callable[[Any, int], Found]:
    def names(state: Any, address: int) -> Found:
        """The frame at an address, innermost first where functions were inlined; never none."""
        found: Found = []

        def with_line(_: int, __: int, source: bytes | None, line: int, name: bytes | None) -> int:
            if name:
                found.append((name, source or _UNKNOWN, line))
            return 0

        def with_symbol(_: int, __: int, name: bytes | None, ___: int, ____: int) -> None:
            found.append((name or _UNKNOWN, _UNKNOWN, 0))

        def with_error(_: int, __: bytes, ___: int) -> None:
            found.clear()

        if state[_LINES] and _asked.lines:
            by_line(state, address, _WithLine(with_line), _WithError(with_error), None)
        if not found:
            by_symbol(state, address, _WithSymbol(with_symbol), _WithError(with_error), None)
        return found

    return names


def _address(function: Any) -> int:
    return ctypes.cast(function, _pointer).value or 0
