"""Names of the functions of shared libraries, from their ELF symbol tables."""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap

from ..foreign_errors import pass_on
from .elf import HEADER, SECTION, first_address, open_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

_SYMBOL = struct.Struct("=IBBHQQ")  # Elf64_Sym
_SYMTAB, _DYNSYM = 2, 11  # SHT_SYMTAB, SHT_DYNSYM
_FUNCTIONS = (2, 10)  # STT_FUNC, STT_GNU_IFUNC
_MOST_NAME = 4096
_PIECE = 1 << 20


class FunctionNames:
    """The functions of one library: those of its symbol table, or of what it exports if it is stripped.

    Args:
        path: the library. One that cannot be read has no names.
    """

    def __init__(self, path: str) -> None:
        self._starts = array("Q")
        self._ends = array("Q")
        self._names = array("Q")  # offsets in the file
        self._contents: mmap | None = None
        self._first = 0
        try:
            with open_library(path) as file:
                self._first = first_address(file)
                self._contents = mmap(file.fileno(), 0, access=ACCESS_READ)
            functions = sorted(_functions(self._contents))
        except (OSError, ValueError, struct.error) as error:  # ValueError: an empty file
            pass_on(error)
            return
        for start, size, name in functions:
            self._starts.append(start)
            self._ends.append(start + size)
            self._names.append(name)

    def name_at(self, address: int) -> str | None:
        """Return the name of the function at an address, as the linker knows it; None if it is not known.

        Args:
            address: in bytes from the start of its first segment.
        """
        address += self._first
        at = bisect_right(self._starts, address) - 1
        if at < 0 or address >= self._ends[at] or self._contents is None:
            return None
        start = self._names[at]
        end = self._contents.find(b"\0", start, start + _MOST_NAME)
        return self._contents[start:end].decode(errors="replace") if end > start else None


def _functions(contents: mmap) -> Iterator[tuple[int, int, int]]:
    """Yield the address, size and place of the name of each function.

    Raises:
        struct.error: if the file is damaged.
    """
    if contents[:5] != b"\x7fELF\x02":
        return
    _, _, _, _, _, table, _, _, _, _, size, count, _ = HEADER.unpack_from(contents)
    if size != SECTION.size:
        return
    sections = list(SECTION.iter_unpack(contents[table : table + size * count]))
    tables = {row[1]: row for row in sections}
    symbols = tables.get(_SYMTAB) or tables.get(_DYNSYM)
    if symbols is None or symbols[6] >= len(sections):
        return
    offset, length, names = symbols[4], symbols[5], sections[symbols[6]][4]
    rows = contents[offset : offset + length]
    for name, kind, _, section, address, size in _SYMBOL.iter_unpack(rows[: len(rows) // _SYMBOL.size * _SYMBOL.size]):
        if kind & 15 in _FUNCTIONS and section and size:
            yield address, size, names + name


def find_symbol(path: str, name: bytes) -> int | None:
    """Return the address of a symbol of a library, in bytes from the start of its first segment; None if it has none.

    Symbols that it does not export are found too. The tables are read in pieces: a large library has 40 MB of them.

    Args:
        path: the library.
        name: the symbol, as the linker knows it.
    """
    try:
        with open_library(path) as file:
            head = file.read(HEADER.size)
            if head[:5] != b"\x7fELF\x02":
                return None
            _, _, _, _, _, table, _, _, _, _, size, count, _ = HEADER.unpack(head)
            file.seek(table)
            sections = list(SECTION.iter_unpack(file.read(SECTION.size * count))) if size == SECTION.size else []
            tables = {row[1]: row for row in sections}
            symbols = tables.get(_SYMTAB) or tables.get(_DYNSYM)
            if symbols is None or symbols[6] >= len(sections):
                return None
            names = sections[symbols[6]]
            at = _find(file, b"\0" + name + b"\0", names[4], names[5], 1)
            if at is None:
                return None
            entry = _find(file, struct.pack("=I", at + 1 - names[4]), symbols[4], symbols[5], _SYMBOL.size)
            if entry is None:
                return None
            file.seek(entry)
            value: int = _SYMBOL.unpack(file.read(_SYMBOL.size))[4]
            return value - first_address(file)
    except (OSError, struct.error) as error:
        pass_on(error)
        return None


def _find(file: BinaryIO, wanted: bytes, start: int, length: int, step: int) -> int | None:
    """Return where in a part of a file some bytes are, a multiple of `step` from its start; None if they are not."""
    piece = _PIECE // step * step
    for offset in range(0, length, piece):
        file.seek(start + offset)
        contents = file.read(min(length - offset, piece + len(wanted)))
        found = contents.find(wanted)
        while found >= 0:
            if found % step == 0:
                return start + offset + found
            found = contents.find(wanted, found + 1)
    return None
