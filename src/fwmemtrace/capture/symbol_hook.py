"""Makes memray report the library of each C and C++ frame, and look for its name in that library alone.

memray leaves symbols to libbacktrace. For each frame it calls one function of that, `backtrace_pcinfo`, and keeps
names, source file and line, but not the library, though it knew it for the call. And at the first frame in a library
without debugging information, or in one that is gone, libbacktrace does what it was made for, and resolves the symbols
of its own process: it reads all libraries of the *reading* process, again for each such library. That takes about a
tenth of a second each time, and a name could come from a library of the reader, if it lies where another one lay in the
traced process. So that one function is replaced here, in the table through which memray calls it.
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
_SEPARATOR = "\x1f"  # between the library's path and the source file: the unit separator, which is in no path
# Fields of libbacktrace's `struct backtrace_state`, counted in pointers: the library's path, and `fileline_fn`, which
# is set once debugging information was read.
_LIBRARY, _LINES = 0, 3

_pointer, _text, _number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
_State = ctypes.POINTER(ctypes.c_void_p)
# libbacktrace's callbacks: they get its argument, the address, and what is known of it; or a message and an errno.
_WithLine = ctypes.CFUNCTYPE(ctypes.c_int, _pointer, _number, _text, ctypes.c_int, _text)
_WithSymbol = ctypes.CFUNCTYPE(None, _pointer, _number, _text, _number, _number)
_WithError = ctypes.CFUNCTYPE(None, _pointer, _text, ctypes.c_int)
_ByLine = ctypes.CFUNCTYPE(ctypes.c_int, _State, _number, _WithLine, _WithError, _pointer)
_BySymbol = ctypes.CFUNCTYPE(None, _State, _number, _WithSymbol, _WithError, _pointer)
Symbols: TypeAlias = list[tuple[bytes, bytes, int]]  # function, source file, line


def library_and_source(file: str) -> tuple[str | None, str]:
    """Take apart what memray gives as the source file of a frame.

    Returns:
        The library's path, None where memray does not know it; and the source file, "<unknown>" where that is not
        known.
    """
    library, separator, source = file.partition(_SEPARATOR)
    return (library, source) if separator else (None, file)


class _Wanted(threading.local):
    """What this thread wants to know of frames. Other users of memray in this process get what they always got."""

    library = False
    lines = True


_wanted = _Wanted()


@contextmanager
def with_libraries(*, lines: bool = True) -> Iterator[None]:
    """Make memray report the libraries of frames inside the block, once the hook is installed.

    Args:
        lines: whether to look for source files, lines and inlined functions too, which takes far longer than names do.
            memray keeps what it found: a frame that was resolved without them has no line later either.
    """
    _wanted.library, _wanted.lines = True, lines
    try:
        yield
    finally:
        _wanted.library, _wanted.lines = False, True


@cache  # which also keeps alive what memray calls from here on
def install() -> Any:
    """Install the hook for the rest of this process, so that `with_libraries` works.

    Returns:
        The function that memray calls now. None, and nothing is changed, where memray was not built as its wheels for
        Linux are, or with another libbacktrace: names then take longer, and come without libraries.
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
    replacement = _ByLine(_pcinfo(names))
    place, function = slot
    _pointer.from_address(_address(replaced) - function + place).value = _address(replacement)
    return replacement


def _is_known(create: Any) -> bool:
    """Return whether a new state of libbacktrace has the layout that is assumed here."""
    create.restype = _State
    state = create(b"a library", 0, None, None)
    return bool(state) and ctypes.cast(state[_LIBRARY] or 0, _text).value == b"a library" and not state[_LINES]


def _pcinfo(names: Callable[[Any, int], Symbols]) -> Callable[..., int]:
    """Return a function that takes the place of `backtrace_pcinfo`."""

    def pcinfo(state: Any, address: int, report: Any, _error: Any, argument: int) -> int:
        prefix = b""
        if _wanted.library:
            prefix = (ctypes.cast(state[_LIBRARY] or 0, _text).value or b"") + _SEPARATOR.encode()
        for name, source, line in names(state, address):
            report(argument, address, prefix + source, line, name)
        return 0

    return pcinfo


def _names(by_line: Any, by_symbol: Any) -> Callable[[Any, int], Symbols]:
    def names(state: Any, address: int) -> Symbols:
        """Return the function at an address, and those that it was inlined into, innermost first; never nothing."""
        found: Symbols = []

        def with_line(_: int, __: int, source: bytes | None, line: int, name: bytes | None) -> int:
            if name:
                found.append((name, source or _UNKNOWN, line))
            return 0

        def with_symbol(_: int, __: int, name: bytes | None, ___: int, ____: int) -> None:
            found.append((name or _UNKNOWN, _UNKNOWN, 0))

        def with_error(_: int, __: bytes, ___: int) -> None:
            found.clear()

        if state[_LINES] and _wanted.lines:
            by_line(state, address, _WithLine(with_line), _WithError(with_error), None)
        if not found:
            by_symbol(state, address, _WithSymbol(with_symbol), _WithError(with_error), None)
        return found

    return names


def _address(function: Any) -> int:
    return ctypes.cast(function, _pointer).value or 0
