"""Reads files of /proc without releasing the interpreter's lock, so that several figures are of one moment.

`os.pread` lets other threads run while it reads, and a thread that computes in Python gives the interpreter back only
5 ms later (`sys.getswitchinterval`). The C library's own `pread`, called through `ctypes.PyDLL`, does not. These files
are made up by the kernel in microseconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from . import proc


def _held_pread() -> Callable[[int, int], bytes]:
    try:
        import ctypes

        pread = ctypes.PyDLL(None).pread
        pread.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_long)
        pread.restype = ctypes.c_ssize_t
    except (ImportError, OSError, TypeError, AttributeError):
        return lambda file, size: os.pread(file, size, 0)

    def read(file: int, size: int) -> bytes:
        buffer = ctypes.create_string_buffer(size)
        length = pread(file, buffer, size, 0)
        if length < 0:
            raise OSError(f"descriptor {file} cannot be read")
        return buffer.raw[:length]

    return read


class HeldReads:
    """Files of /proc/self that are kept open and read from their start."""

    def __init__(self) -> None:
        self._pread = _held_pread()
        self._files: dict[str, int] = {}

    def read(self, name: str, size: int = 1024) -> bytes:
        """Return the beginning of a file.

        Args:
            name: inside /proc/self, such as "statm".
            size: bytes to read at most.

        Raises:
            OSError: if there is no such file, or it is that of a thread that has ended.
        """
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = proc.open_file(name)
        try:
            return self._pread(file, size)
        except OSError:
            os.close(self._files.pop(name))
            raise

    def close(self) -> None:
        """Close the files."""
        while self._files:
            os.close(self._files.popitem()[1])
