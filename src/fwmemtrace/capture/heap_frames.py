"""Names C and C++ frames of the sampled heap by the libraries that are installed where it is read."""

from __future__ import annotations

import sys

from ..symbols.library import LibrarySymbols
from ..system.elf import build_of
from .frames import LOOP, UNKNOWN, HybridFrame
from .heap_file import HeapFile, HeapLibrary


class HeapFrames:
    """Turns return addresses into frames, named by the symbol tables of their libraries.

    A library that is another build here than in the traced process, or is not here, has no names.

    Args:
        file: the tables, which know where the libraries were.
    """

    def __init__(self, file: HeapFile) -> None:
        self._file = file
        self._symbols: dict[str, LibrarySymbols | None] = {}
        self._frames: dict[int, HybridFrame | None] = {}

    def of_addresses(self, addresses: tuple[int, ...]) -> list[HybridFrame]:
        """Return the frames of return addresses, innermost first, up to the interpreter's loop."""
        frames = []
        for address in addresses:
            if address not in self._frames:
                self._frames[address] = self._frame(address)
            frame = self._frames[address]
            if frame is None:
                continue
            if frame[0].startswith(LOOP):  # a part of it that the compiler has moved
                break
            frames.append(frame)
        return frames

    def _frame(self, address: int) -> HybridFrame | None:
        library = self._file.library_at(address)
        if library is None:
            return None
        symbols = self._symbols_of(library)
        # What the call is in, not what follows it.
        name = symbols and symbols.name_at(symbols.first_address + address - 1 - library.start)
        return name or UNKNOWN, "", 0, library.path

    def _symbols_of(self, library: HeapLibrary) -> LibrarySymbols | None:
        if library.path not in self._symbols:
            self._symbols[library.path] = LibrarySymbols(library.path) if _is_same_build(library) else None
        return self._symbols[library.path]


def _is_same_build(library: HeapLibrary) -> bool:
    if not library.build:
        return True
    build = build_of(library.path)
    return build is not None and build.startswith(library.build.to_bytes(4, sys.byteorder).hex())
