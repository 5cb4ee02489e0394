"""Finds a name for a new file, so that no file is ever overwritten unless asked for."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from itertools import count

from ..errors import SinkError
from ..foreign_errors import is_the_programs
from ..tracefile.layout import PART_SUFFIX
from .append_file import AppendFile

_latest: dict[str, int] = {}  # the latest number that this process has used for a path
_MOST_REMEMBERED = 64


def absolute(path: str | os.PathLike[str]) -> str:
    """Return a path that stays the same wherever the program goes.

    Raises:
        SinkError: if it is relative to a folder that is gone.
    """
    try:
        return os.path.abspath(os.fspath(path))
    except FileNotFoundError:
        raise SinkError(f"{os.fspath(path)}: the current folder was removed; give an absolute path") from None


def worker_path(path: str, pid: int) -> str:
    """Return the path of a further process's file, such as `trace.123.bin` next to `trace.bin`."""
    stem, suffix = os.path.splitext(path)
    return f"{stem}.{pid}{suffix}"


def numbered(path: str) -> Iterator[tuple[int, str]]:
    """Yield the path itself, then `trace-2.bin`, `trace-3.bin` and so on, each with its number."""
    yield 1, path
    stem, suffix = os.path.splitext(path)
    for number in count(max(2, _latest.get(path, 0))):
        yield number, f"{stem}-{number}{suffix}"


def free_path(path: str) -> str:
    """Return the name that a new file of this name gets: the path itself, or with a number if it exists."""
    return next(name for _, name in numbered(path) if not os.path.lexists(name))


def _remove(path: str) -> None:
    """Remove a trace file and its parts."""
    folder, name = os.path.split(path)
    for other in os.listdir(folder):
        if other.startswith(name + PART_SUFFIX) and other[len(name) + len(PART_SUFFIX) :].isdecimal():
            os.unlink(os.path.join(folder, other))
    os.unlink(path)


def create(
    path: str,
    *,
    overwrite: bool = False,
    related: Callable[[str], bool] | None = None,
    kind: type[AppendFile] = AppendFile,
) -> AppendFile:
    """Create a file of this name, or if there is one already, with a number behind its name.

    Args:
        path: the absolute path.
        overwrite: whether an existing file is replaced.
        related: tells whether an existing file belongs to the same session as this process; then the new file's name
            has this process's id behind that one's.
        kind: the class of the file.

    Raises:
        SinkError: if the file cannot be created.
    """
    try:
        for number, name in numbered(path):
            try:
                file = kind(name)
            except FileExistsError:
                mode = os.lstat(name).st_mode
                if stat.S_ISCHR(mode):  # such as /dev/null
                    return AppendFile(name, new=False)
                if not stat.S_ISREG(mode):  # a FIFO might block the program, and a link might lead anywhere
                    raise SinkError(f"{name} is not a regular file; choose another name") from None
                if related is not None and related(name):
                    return create(worker_path(name, os.getpid()), kind=kind)
                if overwrite:
                    _remove(name)
                    return create(name, related=related, kind=kind)
                continue
            if number > 1 and (path in _latest or len(_latest) < _MOST_REMEMBERED):
                _latest[path] = number
            return file
    except OSError as error:
        if isinstance(error, SinkError) or is_the_programs(error):
            raise
        raise SinkError(f"{path} cannot be written: {error.strerror}") from error
    raise AssertionError("there is always another number")
