"""The sections of an ELF file, as symbol tables and debugging information need them."""

from __future__ import annotations

import struct
from mmap import ACCESS_READ, mmap
from typing import NamedTuple, TypeAlias

from ..system.elf import HEADER, SECTION, open_library

Contents: TypeAlias = memoryview | bytes

_NO_BITS = 8  # SHT_NOBITS
_MOST_NAME = 256
_MOST_SECTIONS = 100_000


class _Section(NamedTuple):
    kind: int
    offset: int
    size: int
    link: int


class ElfFile:
    """An open ELF file; one that is missing, damaged, or not for a 64-bit machine of this byte order has no sections.

    Args:
        path: the file.
    """

    def __init__(self, path: str) -> None:
        self._view = memoryview(b"")
        self._sections: dict[str, _Section] = {}
        self._numbered: list[_Section] = []
        try:
            with open_library(path) as file:
                self._view = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
            self._read()
        except (OSError, ValueError, struct.error):  # ValueError: an empty file
            self._sections, self._numbered = {}, []

    def _read(self) -> None:
        view = self._view
        if bytes(view[:5]) != b"\x7fELF\x02":
            return
        _, _, _, _, _, table, _, _, _, _, size, count, names_at = HEADER.unpack_from(view)
        if size != SECTION.size or count > _MOST_SECTIONS or table + size * count > len(view):
            return
        rows = list(SECTION.iter_unpack(view[table : table + size * count]))
        self._numbered = [_Section(row[1], row[4], row[5], row[6]) for row in rows]
        if names_at >= len(rows):
            return
        start = rows[names_at][4]
        for row, section in zip(rows, self._numbered, strict=True):
            name = bytes(view[start + row[0] : start + row[0] + _MOST_NAME]).partition(b"\0")[0].decode("latin-1")
            self._sections.setdefault(name, section)

    def section(self, name: str) -> Contents:
        """Return the contents of a section as they are in the file, which may be compressed; empty if there is none."""
        found = self._sections.get(name)
        return b"" if found is None else self._contents(found)

    def has_lines(self) -> bool:
        """Return whether there is DWARF debugging information."""
        return len(self.section(".debug_info") or self.section(".zdebug_info")) > 0

    def symbols(self, kind: int) -> tuple[Contents, Contents]:
        """Return a symbol table and the names of its symbols.

        Args:
            kind: of the section: SHT_SYMTAB or SHT_DYNSYM.
        """
        for section in self._numbered:
            if section.kind == kind and section.link < len(self._numbered):
                return self._contents(section), self._contents(self._numbered[section.link])
        return b"", b""

    def _contents(self, section: _Section) -> Contents:
        if section.kind == _NO_BITS or section.offset + section.size > len(self._view):
            return b""
        return self._view[section.offset : section.offset + section.size]
