"""Descriptors that are never mistaken for the program's.

A descriptor is a plain number. A program that closes numbers it does not own, as daemons do when they start, gets the
same ones back for its own files, and what is written to a number that was kept lands there. So each descriptor

- is moved to a high number at once: the kernel gives new files the lowest free one, so a program gets such a number
  only by asking for it (dup2);
- is marked, so that whoever is about to write to it or close it can tell whether it is still the same open file;
- is closed on exec, and closed only by who opened it, once.
"""

from __future__ import annotations

import errno
import os

from ..foreign_errors import pass_on

try:
    from fcntl import F_DUPFD_CLOEXEC, fcntl
except ImportError:  # Windows does not inherit handles, nor does a program close them by range
    fcntl = None  # type: ignore[assignment]
try:
    # Linux keeps for each open file which signal announces input on it, which matters with O_ASYNC only. It is read in
    # a quarter of the time of fstat, and that of the program's files is another than this one, the highest there is.
    from fcntl import F_GETSIG, F_SETSIG
except ImportError:
    F_GETSIG = F_SETSIG = -1  # type: ignore[misc]
GET_MARK, _SET_MARK = F_GETSIG, F_SETSIG
MARK = 64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_HIGHEST_START = 16_384  # the kernel's table of descriptors is as long as the highest number
_ROOM = 128  # numbers below the limit of the process that are enough for ours
_PIECE = 64 * 1024
_TRIES = 5

_numbers: set[int] = set()  # high ones that somebody here uses
_unmarked: dict[int, tuple[int, int]] = {}  # device and inode of descriptors where there are no marks


def is_ours(number: int) -> bool:
    """Tell whether a number still is the open file that `open_marked` returned it for."""
    try:
        if GET_MARK >= 0 and fcntl(number, GET_MARK) == MARK:
            return True
        return number in _unmarked and _unmarked[number] == identity(number)
    except (OSError, ValueError) as error:
        pass_on(error)
        return False


# What `is_ours` asks first, for code that cannot afford another call: `read_mark(number, GET_MARK) == MARK`. It raises
# OSError for a number that is not open.
read_mark: Callable[[int, int], int] = fcntl if GET_MARK >= 0 else lambda number, _: MARK * is_ours(number)


def _mark(number: int) -> None:
    try:
        if _SET_MARK >= 0:
            fcntl(number, _SET_MARK, MARK)
            return
    except OSError as error:  # a sandbox may not know it
        pass_on(error)
    _unmarked[number] = identity(number)


def _first_number() -> int:
    """Return where the numbers for our descriptors begin."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
    except ImportError:  # not a POSIX system
        return _HIGHEST_START // 2

    limit = getrlimit(RLIMIT_NOFILE)[0]
    if limit == RLIM_INFINITY:
        return _HIGHEST_START
    return int(min(max(limit - _ROOM, limit // 2), _HIGHEST_START))


def identity(number: int) -> tuple[int, int]:
    """Return the device and inode of an open file.

    Raises:
        OSError: if the number is not open.
    """
    status = os.fstat(number)
    return status.st_dev, status.st_ino


def open_marked(path: str, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """Open a file under a number that the program does not get by chance.

    Args:
        path: the file.
        flags: those of `os.open`; the descriptor is closed on exec anyway.
        mode: the permissions of a file that this creates.

    Returns:
        The descriptor, for `close` and nothing else to close.

    Raises:
        OSError: if the file cannot be opened.
    """
    for _ in range(_TRIES):
        number = os.open(path, flags | _FLAGS, mode)
        high = adopt(number, path)
        if high >= 0:
            return high
        flags &= ~os.O_EXCL  # it is there now, and nobody else has created it
    raise OSError(errno.EBADF, os.strerror(errno.EBADF), path)


def adopt(number: int, path: str) -> int:
    """Move a descriptor that was opened just now to a high number, and mark it.

    Args:
        number: the descriptor, which may have been closed by another thread since, and be the program's by now.
        path: the file.

    Returns:
        The descriptor to use from now on, the same one if there is no high number left; -1 if it is the file no more.
    """
    high = number
    try:
        if fcntl is not None:
            high = fcntl(number, F_DUPFD_CLOEXEC, _first_number())
            while high in _numbers:  # the program has closed it, and who uses it here does not know yet
                os.close(high)
                high = fcntl(number, F_DUPFD_CLOEXEC, high + 1)
    except (OSError, ValueError) as error:
        pass_on(error)
        if getattr(error, "errno", 0) == errno.EBADF:
            return -1
    try:
        status = os.stat(path)
        if identity(high) != (status.st_dev, status.st_ino):
            if high != number:
                os.close(high)
            return -1
    except OSError as error:
        pass_on(error)
        return -1
    _mark(high)
    if high != number:
        _numbers.add(high)
        if high in _unmarked:
            _mark(number)
        close(number)
    return high


def close(number: int) -> None:
    """Close a descriptor of `open_marked`, unless the program has closed it already and uses the number itself."""
    if number >= 0 and is_ours(number):
        os.close(number)
    _numbers.discard(number)
    _unmarked.pop(number, None)


def read_file(path: str) -> bytes:
    """Return the contents of a file, such as one of /proc.

    Raises:
        OSError: if it cannot be opened or read.
    """
    number = open_marked(path)
    try:
        parts = []
        while part := os.read(number, _PIECE):
            parts.append(part)
        return b"".join(parts)
    finally:
        close(number)
