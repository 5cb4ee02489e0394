"""What a shared library's file says of itself, in its ELF headers."""

from __future__ import annotations

import os
import struct
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mmap import mmap
    from typing import BinaryIO

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_LOAD, _DYNAMIC, _NOTE, _RELRO = 1, 2, 4, 0x6474E552  # PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_GNU_RELRO
_BUILD_ID = 3  # NT_GNU_BUILD_ID
_HEADER = struct.Struct("=16xHHIQQQIHHHHHH")  # Elf64_Ehdr behind e_ident
_SEGMENT = struct.Struct("=IIQQQQQQ")  # Elf64_Phdr
_NOTE_HEAD = struct.Struct("=III")  # Elf64_Nhdr: lengths of name and contents, type
_NOTES_AT_MOST = 64 * 1024
_ENTRY = struct.Struct("=qQ")  # Elf64_Dyn
_SLOTS_SIZE, _STRINGS, _SYMBOLS, _SLOTS = 2, 5, 6, 23  # DT_PLTRELSZ, DT_STRTAB, DT_SYMTAB, DT_JMPREL
_SLOT = struct.Struct("=QQq")  # Elf64_Rela
_SYMBOL = struct.Struct("=IBBHQQ")  # Elf64_Sym


def zeroed_bytes(path: str, end: int) -> int:
    """How much zeroed memory lies behind a mapping of a library: the part of its data that is in no file (.bss).

    The dynamic loader maps it as anonymous memory right behind the part that is, where nothing but the library's own
    program headers tells whose it is. Not always behind the library's last mapping: tools add segments at the end.

    Args:
        path: of a 64-bit ELF file in this machine's byte order; for anything else the answer is 0.
        end: where in the file that mapping ends.

    Returns:
        Bytes of anonymous memory, in whole pages.
    """
    return _zeroed(path).get(end, 0)


@cache
def _zeroed(path: str) -> dict[int, int]:
    """For each data segment with zeroed memory: by where its part of the file ends, in whole pages, how much."""
    try:
        with open(path, "rb") as file:
            segments = _segments(file)
    except OSError:
        return {}
    found = {}
    for kind, _, offset, address, _, in_file, in_memory, _ in segments:
        zeroed = _page_up(address + in_memory) - _page_up(address + in_file)
        if kind == _LOAD and zeroed > 0:
            found[_page_up(offset + in_file)] = zeroed
    return found


def build_of(path: str) -> str | None:
    """What tells one build of a library from another: its GNU build ID in hexadecimal, or else its size.

    Args:
        path: of any file.

    Returns:
        Such as "5f3c…" or "48104 bytes"; None if there is no such file, or it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            length = os.fstat(file.fileno()).st_size
            for kind, _, offset, _, _, size, _, _ in _segments(file):
                if kind == _NOTE and offset < length:
                    file.seek(offset)
                    if found := _build_id(file.read(min(size, _NOTES_AT_MOST))):
                        return found
            return f"{length} bytes"
    except OSError:
        return None


def jump_slot(path: str, function: str) -> tuple[int, int] | None:
    """Where a library keeps the address of a function of its own that it calls by name, as one that is replaceable.

    Such calls go by a table (.got.plt), in which the dynamic loader writes the function's address.

    Args:
        path: of a 64-bit ELF file in this machine's byte order.
        function: the name of one that the library itself defines.

    Returns:
        The addresses of its slot in that table and of the function, in bytes from where the library is loaded. None if
        it has no such slot, or the loader makes it read-only once it is filled.
    """
    from mmap import ACCESS_READ, mmap

    try:
        with open(path, "rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as contents:
            segments = _segments(file)
            slot, address = _jump_slot(contents, segments, function.encode())
    except (OSError, ValueError, LookupError, OverflowError, struct.error):  # ValueError: an empty file
        return None
    fixed = [(start, start + size) for kind, _, _, start, _, _, size, _ in segments if kind == _RELRO]
    return None if any(start <= slot < end for start, end in fixed) else (slot, address)


def _jump_slot(contents: mmap, segments: list[tuple[int, ...]], name: bytes) -> tuple[int, int]:
    """The same by the file's contents; LookupError or struct.error where there is none."""

    def place(address: int) -> int:
        for kind, _, offset, start, _, size, _, _ in segments:
            if kind == _LOAD and start <= address < start + size:
                return offset + address - start
        raise LookupError(address)

    offset, size = next(((row[2], row[5]) for row in segments if row[0] == _DYNAMIC), (0, 0))
    table = dict(_ENTRY.iter_unpack(contents[offset : offset + size // _ENTRY.size * _ENTRY.size]))
    strings, symbols, slots = (place(table[kind]) for kind in (_STRINGS, _SYMBOLS, _SLOTS))
    wanted = name + b"\0"
    for start in range(slots, slots + table[_SLOTS_SIZE], _SLOT.size):
        slot, info, _ = _SLOT.unpack_from(contents, start)
        text, _, _, _, address, _ = _SYMBOL.unpack_from(contents, symbols + (info >> 32) * _SYMBOL.size)
        if address and contents[strings + text : strings + text + len(wanted)] == wanted:
            return slot, address
    raise LookupError(name)


def _segments(file: BinaryIO) -> list[tuple[int, ...]]:
    """The program headers; none where this is no 64-bit ELF file, or a damaged one."""
    head = file.read(4096)
    if head[:5] != b"\x7fELF\x02":
        return []
    try:
        _, _, _, _, table, _, _, _, size, count, _, _, _ = _HEADER.unpack_from(head)
        if size != _SEGMENT.size or table >= os.fstat(file.fileno()).st_size:
            return []
        file.seek(table)
        rows = file.read(size * count)
        return list(_SEGMENT.iter_unpack(rows[: len(rows) // size * size]))
    except struct.error:
        return []


def _build_id(notes: bytes) -> str | None:
    place = 0
    while place + _NOTE_HEAD.size <= len(notes):
        name, size, kind = _NOTE_HEAD.unpack_from(notes, place)
        begin = place + _NOTE_HEAD.size
        contents = begin + (name + 3 & ~3)
        if kind == _BUILD_ID and notes[begin : begin + 4] == b"GNU\0":
            return notes[contents : contents + size].hex() or None
        place = contents + (size + 3 & ~3)
    return None


def _page_up(address: int) -> int:
    return -(-address // _PAGE) * _PAGE
