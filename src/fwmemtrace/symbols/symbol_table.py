"""The functions of an ELF symbol table by address; csrc/symbol_table.c does the same, faster."""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right

from .elf_file import Contents

_SYMBOL = struct.Struct("=IBBHQQ")  # Elf64_Sym
_FUNCTIONS = (2, 10)  # STT_FUNC, STT_GNU_IFUNC
_GLOBAL, _LOCAL = 1, 0  # STB_GLOBAL, STB_LOCAL
_MOST_NAME = 4096
_BEFORE = 32  # functions that may begin between an address and the start of its own function


class SymbolTable:
    """The functions of one table.

    Args:
        symbols: the bytes of the table.
        names: those of the names of its symbols.
    """

    def __init__(self, symbols: Contents, names: Contents) -> None:
        self._symbols, self._names = symbols, names
        whole = symbols[: len(symbols) // _SYMBOL.size * _SYMBOL.size]
        functions = sorted(
            (start, place)
            for place, (_, kind, _, section, start, size) in enumerate(_SYMBOL.iter_unpack(whole))
            if kind & 15 in _FUNCTIONS and section and size
        )
        self._starts = array("Q", (start for start, _ in functions))
        self._places = array("L", (place for _, place in functions))

    def name_at(self, address: int) -> bytes | None:
        """Return the name of the function at an address, None if there is none."""
        best, best_start = None, 0
        at = bisect_right(self._starts, address)
        for back in range(at):
            start = self._starts[at - 1 - back]
            if back >= _BEFORE if best is None else start != best_start:
                break
            name, kind, _, _, _, size = _SYMBOL.unpack_from(self._symbols, self._places[at - 1 - back] * _SYMBOL.size)
            if address - start < size and (text := self._name(name)):
                candidate = (_worth(kind >> 4, text), -len(text), text)
                if best is None or candidate[:2] > best[:2]:
                    best, best_start = candidate, start
        return None if best is None else best[2]

    def _name(self, offset: int) -> bytes:
        return bytes(self._names[offset : offset + _MOST_NAME]).partition(b"\0")[0]


def _worth(binding: int, name: bytes) -> int:
    """How good a name is among several of one function: an exported one is known best, one with a _ least."""
    return (binding == _GLOBAL) * 4 + (binding != _LOCAL) * 4 + (not name.startswith(b"_"))
