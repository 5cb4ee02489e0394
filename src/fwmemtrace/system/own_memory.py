"""Reads this process's own memory and which of its pages are resident, through /proc/self/mem and /proc/self/pagemap.

A bad address is a failed read here, never a crash. The bits of a pagemap entry are those of the kernel's
Documentation/admin-guide/mm/pagemap.rst.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from ..foreign_errors import pass_on
from .descriptors import close
from .proc import PAGE_SIZE, open_file

_ENTRY_SIZE = 8
_LAST_BYTE = 7  # of an entry, little-endian: it has the bits 56 to 63
_PRESENT, _FILE_OR_SHARED, _EXCLUSIVE = 0x80, 0x20, 0x01  # bits 63, 61 and 56
_IS_PRESENT = bytes(int(bool(byte & _PRESENT)) for byte in range(256))
_IS_EXCLUSIVE = bytes(int(bool(byte & _PRESENT and byte & _EXCLUSIVE)) for byte in range(256))
_IS_ANONYMOUS = bytes(int(bool(byte & _PRESENT and not byte & _FILE_OR_SHARED)) for byte in range(256))


class PageFlags(NamedTuple):
    """Which pages of a range are resident, one byte a page, 1 for yes. Both are empty where that cannot be read."""

    present: bytes
    exclusive: bytes  # mapped by no other process; never the kernel's shared page of zeros


class Residency(NamedTuple):
    """How much of a range is resident, in bytes."""

    resident: int
    private: int  # in pages that are neither a file's nor shared


class OwnMemory:
    """Keeps both files open; use it as a context manager."""

    def __init__(self) -> None:
        self._memory = _open_or_none("mem")
        self._pagemap = _open_or_none("pagemap")

    def __enter__(self) -> OwnMemory:
        return self

    def __exit__(self, *exception: object) -> None:
        for fd in (self._memory, self._pagemap):
            if fd is not None:
                close(fd)
        self._memory = self._pagemap = None

    @property
    def readable(self) -> bool:
        """Whether both files can be read."""
        return self._memory is not None and self._pagemap is not None

    def peek(self, address: int, length: int) -> bytes:
        """Read bytes at an address; fewer, or none, where nothing is mapped."""
        if self._memory is None:
            return b""
        try:
            return os.pread(self._memory, length, address)
        except (OSError, OverflowError) as error:
            pass_on(error)
            return b""

    def pages(self, start: int, end: int) -> PageFlags:
        """Return which pages between two page addresses are resident."""
        flags = self._flags(start // PAGE_SIZE, end // PAGE_SIZE)
        return PageFlags(flags.translate(_IS_PRESENT), flags.translate(_IS_EXCLUSIVE))

    def residency(self, address: int, size: int) -> Residency | None:
        """Return how much of a range is resident; of a page that reaches beyond the range, only the part inside counts.

        Args:
            address: where the range begins, at any address.
            size: its length in bytes, at least one.

        Returns:
            None where the page map cannot be read.
        """
        first, end = address // PAGE_SIZE, -(-(address + size) // PAGE_SIZE)
        flags = self._flags(first, end)
        if len(flags) != end - first:
            return None
        before, behind = address - first * PAGE_SIZE, end * PAGE_SIZE - address - size

        def inside(pages: bytes) -> int:
            return pages.count(1) * PAGE_SIZE - pages[0] * before - pages[-1] * behind

        return Residency(inside(flags.translate(_IS_PRESENT)), inside(flags.translate(_IS_ANONYMOUS)))

    def _flags(self, first: int, end: int) -> bytes:
        """Return the last byte of each page's entry."""
        if self._pagemap is None:
            return b""
        try:
            return os.pread(self._pagemap, (end - first) * _ENTRY_SIZE, first * _ENTRY_SIZE)[_LAST_BYTE::_ENTRY_SIZE]
        except (OSError, OverflowError) as error:
            pass_on(error)
            return b""


def _open_or_none(name: str) -> int | None:
    try:
        return open_file(name)
    except OSError as error:
        pass_on(error)
        return None
