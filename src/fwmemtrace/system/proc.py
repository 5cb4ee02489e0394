"""The folder of this process in /proc, and the size of a page.

Everything that reads /proc/self looks `PROC` up here when it opens a file, so a test that points it elsewhere sees a
system without /proc in every module at once.
"""

from __future__ import annotations

import os

from .descriptors import open_marked

PROC = "/proc/self"
PAGE_SIZE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096  # bytes


def path_of(name: str) -> str:
    """Return the path of one of this process's files in /proc, such as "smaps"."""
    return f"{PROC}/{name}"


def open_file(name: str, flags: int = os.O_RDONLY) -> int:
    """Open one of this process's files in /proc.

    Returns:
        The descriptor, for `descriptors.close`.

    Raises:
        OSError: if there is no such file, or it must not be opened.
    """
    return open_marked(path_of(name), flags)
