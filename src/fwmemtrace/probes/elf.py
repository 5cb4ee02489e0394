"""How much zeroed memory a shared library has behind its file: the part of its data that is in no file (.bss).

The dynamic loader maps it as anonymous memory right behind the library, where nothing but the library's own program
headers tells whose it is.
"""

from __future__ import annotations

import os
import struct
from functools import cache

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_LOAD = 1  # PT_LOAD
_HEADER = struct.Struct("=16xHHIQQQIHHHHHH")  # Elf64_Ehdr behind e_ident
_SEGMENT = struct.Struct("=IIQQQQQQ")  # Elf64_Phdr


@cache
def zeroed_bytes(path: str) -> int:
    """Bytes of anonymous memory, in whole pages, that belong behind the last mapping of this file.

    Args:
        path: of a 64-bit ELF file in this machine's byte order; for anything else the answer is 0.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
            if head[:5] != b"\x7fELF\x02":
                return 0
            _, _, _, _, table, _, _, _, size, count, _, _, _ = _HEADER.unpack_from(head)
            file.seek(table)
            segments = file.read(size * count)
    except (OSError, struct.error):
        return 0
    return _zeroed_of(segments, size)


def _zeroed_of(segments: bytes, size: int) -> int:
    last, zeroed = 0, 0
    for place in range(0, len(segments) - _SEGMENT.size + 1, max(size, _SEGMENT.size)):
        kind, _, _, address, _, in_file, in_memory, _ = _SEGMENT.unpack_from(segments, place)
        if kind == _LOAD and address >= last:
            last = address
            zeroed = _page_up(address + in_memory) - _page_up(address + in_file)
    return zeroed


def _page_up(address: int) -> int:
    return -(-address // _PAGE) * _PAGE
