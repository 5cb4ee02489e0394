"""Finds the separate file that has a stripped library's debugging information, where gdb and memray look for it."""

from __future__ import annotations

import os
import struct
import zlib

from ..system.elf import build_of, open_library
from .elf_file import ElfFile

_GLOBAL = "/usr/lib/debug"
_CHUNK = 1 << 20


def debug_file_of(path: str, elf: ElfFile) -> str | None:
    """Return the path of a library's separate debugging information, None if it has none on this machine.

    Its build ID names the file, or the section .gnu_debuglink does, together with a checksum.
    """
    build = build_of(path)
    if build is not None and not build.endswith("bytes"):
        candidate = f"{_GLOBAL}/.build-id/{build[:2]}/{build[2:]}.debug"
        if build_of(candidate) == build and os.path.realpath(candidate) != os.path.realpath(path):
            return candidate
    link = bytes(elf.section(".gnu_debuglink"))
    name, zero, _ = link.partition(b"\0")
    place = len(name) + 4 & ~3  # behind the name, to a multiple of four
    if not zero or not name or b"/" in name or len(link) < place + 4:
        return None
    (checksum,) = struct.unpack_from("=I", link, place)
    folder = os.path.dirname(os.path.realpath(path))
    for within in (folder, os.path.join(folder, ".debug"), _GLOBAL + folder):
        candidate = os.path.join(within, os.fsdecode(name))
        if os.path.realpath(candidate) != os.path.realpath(path) and _checksum(candidate) == checksum:
            return candidate
    return None


def _checksum(path: str) -> int | None:
    try:
        with open_library(path) as file:
            checksum = 0
            while chunk := file.read(_CHUNK):
                checksum = zlib.crc32(chunk, checksum)
            return checksum
    except OSError:
        return None
