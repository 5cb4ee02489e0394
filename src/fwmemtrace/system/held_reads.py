"""Reads files of /proc and /sys without releasing the interpreter's lock, so that several figures are of one moment.

`os.open` and `os.pread` let other threads run meanwhile, and a thread that computes in Python gives way only
5 ms later (`sys.getswitchinterval`). The core's functions, and the C library's if they are called through
`ctypes.PyDLL`, do not. These files are made up by the kernel in microseconds. Nor can another thread close a descriptor
that it does not own between two such calls.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from .. import core
from ..foreign_errors import pass_on
from . import proc
from .descriptors import adopt, close, is_ours, read_file

_TRIES = 5
_PIECE = 16 * 1024


class _Calls(NamedTuple):
    """System calls that raise OSError: open for reading, pread (descriptor, size, offset), close."""

    open: Callable[[str], int]
    read: Callable[[int, int, int], bytes]
    close: Callable[[int], object]


@cache
def _calls() -> _Calls | None:
    """Return calls that hold the interpreter's lock; None if there are none here."""
    compiled = core.load()[0]
    if compiled is not None and hasattr(compiled, "held_open"):
        return _Calls(compiled.held_open, compiled.held_read, compiled.held_close)
    try:
        return _calls_of_ctypes()
    except (ImportError, OSError, TypeError, AttributeError) as error:
        pass_on(error)
        return None


def _calls_of_ctypes() -> _Calls:
    import ctypes  # 0.3 MB that the core saves

    # New objects: what others get from `ctypes.pythonapi` as attributes keeps its own types.
    opens, reads, closes = (ctypes.pythonapi[name] for name in ("open", "pread", "close"))
    opens.argtypes = (ctypes.c_char_p, ctypes.c_int)
    reads.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_long)
    reads.restype = ctypes.c_ssize_t
    closes.argtypes = (ctypes.c_int,)

    def open_file(path: str) -> int:
        number: int = opens(os.fsencode(path), os.O_RDONLY | os.O_CLOEXEC)
        if number < 0:
            raise OSError(f"{path} cannot be opened")
        return number

    def read(number: int, size: int, offset: int) -> bytes:
        buffer = ctypes.create_string_buffer(size)
        length = reads(number, buffer, size, offset)
        if length < 0:
            raise OSError(f"descriptor {number} cannot be read")
        return buffer.raw[:length]

    return _Calls(open_file, read, closes)


def read_at_once(path: str) -> bytes:
    """Return the contents of a file that the kernel makes up in microseconds, so not of smaps.

    Raises:
        OSError: if it cannot be opened or read.
    """
    calls = _calls()
    if calls is None:
        return read_file(path)
    number = calls.open(path)
    found = b""
    try:
        while part := calls.read(number, _PIECE, len(found)):
            found += part
    finally:
        calls.close(number)
    return found


def _open_marked(calls: _Calls, path: str) -> int:
    for _ in range(_TRIES):
        if (number := adopt(calls.open(path), path)) >= 0:
            return number
    raise OSError(f"{path} cannot be opened")


class HeldReads:
    """Files of /proc/self that are kept open and read from their start."""

    def __init__(self) -> None:
        self._calls = _calls()
        self._files: dict[str, int] = {}

    def read(self, name: str, size: int = 1024) -> bytes:
        """Return the beginning of a file.

        Args:
            name: inside /proc/self, such as "statm".
            size: bytes to read at most, up to 1024.

        Raises:
            OSError: if there is no such file, or it is that of a thread that has ended.
        """
        file = self.number(name)
        try:
            return os.pread(file, size, 0) if self._calls is None else self._calls.read(file, size, 0)
        except OSError:
            self.drop(name)
            raise

    def number(self, name: str) -> int:
        """Return the descriptor of a file, which is opened if need be.

        Raises:
            OSError: if it cannot be.
        """
        file = self._files.get(name)
        if file is None or not is_ours(file):  # a program may close all descriptors, as daemons do when they start
            self.drop(name)
            path = proc.path_of(name)
            file = proc.open_file(name) if self._calls is None else _open_marked(self._calls, path)
            self._files[name] = file
        return file

    def drop(self, name: str) -> None:
        """Close a file, if it is open."""
        file = self._files.pop(name, None)
        if file is not None:
            close(file)

    def close(self) -> None:
        """Close the files."""
        while self._files:
            close(self._files.popitem()[1])
