"""Finds symbols of shared libraries in the traced process, where their whole tables would take too much memory."""

from __future__ import annotations

import struct

from ..foreign_errors import pass_on
from .elf import HEADER, SECTION, first_address, open_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

_SYMBOL = struct.Struct("=IBBHQQ")  # Elf64_Sym
_SYMTAB, _DYNSYM = 2, 11  # SHT_SYMTAB, SHT_DYNSYM
_PIECE = 1 << 20


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
