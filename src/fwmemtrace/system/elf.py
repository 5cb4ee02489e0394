"""Reads a shared library's ELF headers: its zeroed data, its build, and its first address."""

from __future__ import annotations

import os
import stat
import struct
from functools import cache

from ..foreign_errors import pass_on
from .proc import PAGE_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

_NEVER_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_LOAD, _NOTE = 1, 4  # PT_LOAD, PT_NOTE
_BUILD_ID = 3  # NT_GNU_BUILD_ID
HEADER = struct.Struct("=16xHHIQQQIHHHHHH")  # Elf64_Ehdr after e_ident
SECTION = struct.Struct("=IIQQQQIIQQ")  # Elf64_Shdr
_SEGMENT = struct.Struct("=IIQQQQQQ")  # Elf64_Phdr
_NOTE_HEAD = struct.Struct("=III")  # Elf64_Nhdr: lengths of name and contents, type
_NOTES_AT_MOST = 64 * 1024


def zeroed_bytes(path: str, end: int) -> int:
    """Return how much zeroed data (.bss) follows a mapping of a library.

    The dynamic loader maps this data as anonymous memory right after the part that the file contains, and only the
    library's program headers identify it. It need not follow the library's last mapping: tools add segments at the end.

    Args:
        path: the library.
        end: the offset in the file at which the mapping ends, in bytes.

    Returns:
        Bytes of anonymous memory, in whole pages; 0 unless the file is a 64-bit ELF file in this machine's byte order.
    """
    return _zeroed(path).get(end, 0)


def open_library(path: str) -> BinaryIO:
    """Open a library, whose path may come from a trace.

    Raises:
        OSError: if it is no regular file. A pipe would wait for its writer, and a device may do anything.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError(f"{path} is not a regular file")
        return open(os.open(path, os.O_RDONLY | _NEVER_WAIT), "rb")
    except ValueError as error:  # a zero byte, or what the file system cannot encode
        raise OSError(str(error)) from error


@cache
def _zeroed(path: str) -> dict[int, int]:
    """Return the zeroed bytes after each data segment, by the segment's end in the file, both in whole pages."""
    try:
        with open_library(path) as file:
            segments = _segments(file)
    except OSError as error:
        pass_on(error)
        return {}
    by_end = {}
    for kind, _, offset, address, _, in_file, in_memory, _ in segments:
        zeroed = _page_up(address + in_memory) - _page_up(address + in_file)
        if kind == _LOAD and zeroed > 0:
            by_end[_page_up(offset + in_file)] = zeroed
    return by_end


def build_of(path: str) -> str | None:
    """Return what distinguishes this build of a library from others: its GNU build ID, or else its size.

    Returns:
        Hexadecimal digits or a text such as "48104 bytes"; None if there is no such file, or it cannot be read.
    """
    try:
        with open_library(path) as file:
            length = os.fstat(file.fileno()).st_size
            for kind, _, offset, _, _, size, _, _ in _segments(file):
                if kind == _NOTE and offset < length:
                    file.seek(offset)
                    if build_id := _build_id(file.read(min(size, _NOTES_AT_MOST))):
                        return build_id
            return f"{length} bytes"
    except OSError as error:
        pass_on(error)
        return None


def first_address(file: BinaryIO) -> int:
    """Return the address of the first segment of an open library, which is 0 unless the library has a fixed place."""
    return min((address for kind, _, _, address, *_ in _segments(file) if kind == _LOAD), default=0)


def _segments(file: BinaryIO) -> list[tuple[int, ...]]:
    """Read the program headers; none if this is not a 64-bit ELF file, or a damaged one."""
    head = file.read(4096)
    if head[:5] != b"\x7fELF\x02":
        return []
    try:
        _, _, _, _, table, _, _, _, size, count, _, _, _ = HEADER.unpack_from(head)
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
    return -(-address // PAGE_SIZE) * PAGE_SIZE
