"""Reads files of /proc and /sys without releasing the interpreter's lock, so that several figures are of one moment.

`os.open` and `os.pread` let other threads run meanwhile, and a thread that computes in Python gives way only
5 ms later (`sys.getswitchinterval`). The C library's own functions, called through `ctypes.PyDLL`, do not. These
files are made up by the kernel in microseconds. Nor can another thread close a descriptor that it does not own between
two such calls.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeAlias

from ..foreign_errors import pass_on
from . import proc
from .descriptors import adopt, close, is_ours, read_file

_TRIES = 5

_Open: TypeAlias = Callable[[str], int]
_Read: TypeAlias = Callable[[int, int], bytes]
_PIECE = 16 * 1024


def _held() -> tuple[_Open, _Read]:
    """Return functions that open a file of /proc/self and read from its start; they raise OSError."""
    try:
        import ctypes

        # New objects: what others get from `ctypes.pythonapi` as attributes keeps its own types.
        opens, reads = ctypes.pythonapi["open"], ctypes.pythonapi["pread"]
        opens.argtypes = (ctypes.c_char_p, ctypes.c_int)
        reads.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_long)
        reads.restype = ctypes.c_ssize_t
        buffer = ctypes.create_string_buffer(1024)
        flags = os.O_RDONLY | os.O_CLOEXEC
    except (ImportError, OSError, TypeError, AttributeError) as error:
        pass_on(error)
        return proc.open_file, lambda file, size: os.pread(file, size, 0)

    def open_file(name: str) -> int:
        for _ in range(_TRIES):
            file: int = opens(os.fsencode(proc.path_of(name)), flags)
            if file < 0:
                break
            if (number := adopt(file, proc.path_of(name))) >= 0:
                return number
        raise OSError(f"{proc.path_of(name)} cannot be opened")

    def read(file: int, size: int) -> bytes:
        length = reads(file, buffer, min(size, len(buffer)), 0)
        if length < 0:
            raise OSError(f"descriptor {file} cannot be read")
        return buffer.raw[:length]

    return open_file, read


def _reader() -> Callable[[str], bytes]:
    try:
        import ctypes

        opens, reads, closes = (ctypes.pythonapi[name] for name in ("open", "pread", "close"))
        opens.argtypes = (ctypes.c_char_p, ctypes.c_int)
        reads.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_long)
        reads.restype = ctypes.c_ssize_t
        closes.argtypes = (ctypes.c_int,)
        flags = os.O_RDONLY | os.O_CLOEXEC
    except (ImportError, OSError, TypeError, AttributeError) as error:
        pass_on(error)
        return read_file

    def read(path: str) -> bytes:
        file = opens(os.fsencode(path), flags)
        if file < 0:
            raise OSError(f"{path} cannot be opened")
        buffer = ctypes.create_string_buffer(_PIECE)
        found = b""
        try:
            while (length := reads(file, buffer, _PIECE, len(found))) > 0:
                found += buffer.raw[:length]
        finally:
            closes(file)
        if length < 0:
            raise OSError(f"{path} cannot be read")
        return found

    return read


_read: Callable[[str], bytes] | None = None


def read_at_once(path: str) -> bytes:
    """Return the contents of a file that the kernel makes up in microseconds, so not of smaps.

    Raises:
        OSError: if it cannot be opened or read.
    """
    global _read
    if _read is None:
        _read = _reader()
    return _read(path)


class HeldReads:
    """Files of /proc/self that are kept open and read from their start."""

    def __init__(self) -> None:
        self._open, self._pread = _held()
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
            return self._pread(file, size)
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
            file = self._files[name] = self._open(name)
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
