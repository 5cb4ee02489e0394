"""Names the functions of one library by its symbol tables."""

from __future__ import annotations

import lzma
import os
import tempfile
from collections.abc import Callable
from functools import cached_property
from typing import Protocol

from .. import core
from ..system.elf import first_address, open_library
from .debug_files import debug_file_of
from .demangle import demangled
from .elf_file import Contents, ElfFile
from .symbol_table import SymbolTable

_SYMTAB, _DYNSYM = 2, 11  # SHT_SYMTAB, SHT_DYNSYM
_LARGEST_MINI = 64 << 20


class _Table(Protocol):
    def name_at(self, address: int, /) -> bytes | None: ...


class LibrarySymbols:
    """The functions of one library. Nothing is read before it is needed.

    Args:
        path: the library. One that cannot be read has no functions.
    """

    def __init__(self, path: str) -> None:
        compiled, _ = core.load()
        self._make_table: Callable[[Contents, Contents], _Table] = (
            SymbolTable if compiled is None else compiled.SymbolTable
        )
        # A path that is not absolute is no file: the kernel's own library has one (linux-vdso.so.1).
        self._path = path if os.path.isabs(path) else os.devnull

    @cached_property
    def has_lines(self) -> bool:
        """Whether there is debugging information: in the library, or in a file of its own."""
        return self._file.has_lines() or (self._debug_file is not None and self._debug_file.has_lines())

    def name_at(self, address: int) -> str | None:
        """Return the name of the function at an address, None if no symbol table has it.

        Args:
            address: as the library's file has it.
        """
        name = self._own_table.name_at(address)
        if name is None:
            name = next((found for table in self._further_tables if (found := table.name_at(address))), None)
        return None if name is None else demangled(name.decode(errors="replace"))

    @cached_property
    def first_address(self) -> int:
        """The address of its first segment, as the library's file has it."""
        try:
            with open_library(self._path) as file:
                return first_address(file)
        except OSError:
            return 0

    @cached_property
    def _file(self) -> ElfFile:
        return ElfFile(self._path)

    @cached_property
    def _debug_file(self) -> ElfFile | None:
        path = debug_file_of(self._path, self._file)
        return None if path is None else ElfFile(path)

    @cached_property
    def _own_table(self) -> _Table:
        symbols, names = self._file.symbols(_SYMTAB)
        if not symbols:
            symbols, names = self._file.symbols(_DYNSYM)
        return self._make_table(symbols, names)

    @cached_property
    def _further_tables(self) -> list[_Table]:
        """Symbol tables that a stripped library has elsewhere: in a file of its own, or compressed."""
        tables = [] if self._debug_file is None else [self._make_table(*self._debug_file.symbols(_SYMTAB))]
        compressed = self._file.section(".gnu_debugdata")
        return [*tables, self._make_table(*_mini_symbols(compressed))] if compressed else tables


def _mini_symbols(compressed: Contents) -> tuple[Contents, Contents]:
    """Return the symbol table of a .gnu_debugdata section, which is a small ELF file, and its names."""
    try:
        contents = lzma.LZMADecompressor(memlimit=_LARGEST_MINI).decompress(bytes(compressed), _LARGEST_MINI)
    except (lzma.LZMAError, MemoryError):
        return b"", b""
    with tempfile.TemporaryFile() as file:
        file.write(contents)
        file.flush()
        return ElfFile(f"/proc/{os.getpid()}/fd/{file.fileno()}").symbols(_SYMTAB)
