"""Reads /proc/self/smaps: every mapping of this process and how much of it is resident.

The fields are those of proc_pid_smaps(5). The kernel walks the page tables while the file is read, which takes
milliseconds in a big process. It is read and parsed in pieces, since the whole would be a megabyte of text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .descriptors import close
from .mapped_paths import is_own_shared_memory
from .proc import open_file

_PIECE = 64 * 1024
# The kernel fills a buffer of one page with whole mappings and walks a second time over the one that no longer fits. It
# stops before that once it has as many bytes as were asked for; a mapping takes 800 to 1,000 bytes.
_READ = 3000
_KB = 1024
_SWAPPED = re.compile(rb"\nSwapPss: +([1-9]\d*) kB")
_LAST_LINE = b"\nVmFlags:"  # what every mapping's last line begins with
# One mapping. Newer kernels insert fields and keep the order. Mappings follow each other without a gap, and nothing in
# this pattern makes the search backtrack: a thousand mappings may take no more than a few milliseconds.
_ENTRY = re.compile(
    r"([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) \S+ (\d+) *(.*)\n"
    r"Size:[^R]+Rss: *(\d+) kB\nPss: *(\d+) kB\n(?:Pss_Dirty:[ \d]+kB\n)?Shared_Clean: *(\d+) kB\n"
    r"Shared_Dirty: *(\d+) kB\nPrivate_Clean: *(\d+) kB\nPrivate_Dirty: *(\d+) kB\nReferenced:[ \d]+kB\n"
    r"Anonymous: *(\d+) kB\n[^V]*VmFlags:.*\n"
)


class AnonymousMapping(NamedTuple):
    """A mapping of no file; sizes are bytes."""

    start: int
    end: int
    permissions: str
    path: str  # "", or "[heap]", "[stack]", "[anon:name]" for what the kernel names
    rss: int
    pss: int
    private: int  # mapped by no other process
    anonymous: int  # in pages of no file


class MappingBelow(NamedTuple):
    """The mapping that ends where another one begins."""

    permissions: str
    path: str
    is_file: bool
    file_end: int  # the offset in the file at which it ends


class FileMappings:
    """The sum of all mappings of one file, in bytes."""

    __slots__ = ("anonymous", "private_clean", "private_dirty", "pss", "rss", "shared_clean", "shared_dirty", "size")

    def __init__(self) -> None:
        self.rss = self.pss = self.anonymous = 0
        self.size = 0  # resident or not; only of shared memory without a name
        self.shared_clean = self.shared_dirty = self.private_clean = self.private_dirty = 0

    @property
    def private(self) -> int:
        """Bytes that no other process maps."""
        return self.private_clean + self.private_dirty

    @property
    def evictable(self) -> int:
        """Bytes in clean pages of the file, which the kernel can take back without writing anything."""
        # Pages that were copied, swapped out and read in again are clean, but not the file's.
        clean_anonymous = self.anonymous - self.shared_dirty - self.private_dirty
        return max(0, self.shared_clean + self.private_clean - max(0, clean_anonymous))


def read() -> Iterator[bytes]:
    """Read the file in pieces that consist of whole mappings.

    Raises:
        OSError: if there is no such file, or it must not be read.
    """
    fd = open_file("smaps")
    try:
        parts: list[bytes] = []
        size = 0
        while part := os.read(fd, _READ):
            parts.append(part)
            size += len(part)
            if size >= _PIECE:
                whole = b"".join(parts)
                cut = _end_of_last(whole)
                if cut:
                    yield whole[:cut]
                parts = [whole[cut:]]
                size = len(whole) - cut
        if size:
            yield b"".join(parts)
    finally:
        close(fd)


def _end_of_last(text: bytes) -> int:
    """Return where the last complete mapping ends; 0 if there is none."""
    end = len(text)
    while (line := text.rfind(_LAST_LINE, 0, end)) >= 0:
        if (cut := text.find(b"\n", line + 1) + 1) > 0:
            return cut
        end = line
    return 0


def swapped(piece: bytes) -> int:
    """Return the swapped-out bytes, pages shared with other processes divided among them (SwapPss)."""
    return sum(map(int, _SWAPPED.findall(piece))) * _KB


def parse(
    pieces: Iterable[bytes], files: dict[str, FileMappings]
) -> Iterator[tuple[AnonymousMapping, MappingBelow | None]]:
    """Parse the mappings in the order of their addresses.

    Args:
        pieces: the output of `read`.
        files: filled with the mappings of files, by path.

    Yields:
        Each mapping of no file that has resident pages or can be written, and the mapping right below it.

    Raises:
        ValueError: if the text is not in the format of proc_pid_smaps(5).
    """
    below_end, below = "", ("", "", False, "", "", "")
    for piece in pieces:
        entries = _ENTRY.findall(os.fsdecode(piece))
        if len(entries) != (mappings := piece.count(_LAST_LINE)):
            raise ValueError(f"unknown format of smaps: only {len(entries)} of {mappings} mappings could be parsed")
        for start, end, mode, offset, inode, path, rss, pss, clean, dirty, own_clean, own_dirty, anonymous in entries:
            is_file = inode != "0" or path.startswith("/")  # a System V segment may have the number 0
            if rss == "0" and (mode[1] != "w" or (path and not is_own_shared_memory(path))):
                pass
            elif is_file:
                total = files.get(path)
                if total is None:
                    total = files[path] = FileMappings()
                if is_own_shared_memory(path):
                    total.size += int(end, 16) - int(start, 16)
                total.rss += int(rss) * _KB
                total.pss += int(pss) * _KB
                # Most of these are zero, and comparing is faster than adding zero.
                if clean != "0":
                    total.shared_clean += int(clean) * _KB
                if dirty != "0":
                    total.shared_dirty += int(dirty) * _KB
                if own_clean != "0":
                    total.private_clean += int(own_clean) * _KB
                if own_dirty != "0":
                    total.private_dirty += int(own_dirty) * _KB
                if anonymous != "0":
                    total.anonymous += int(anonymous) * _KB
            else:
                private = (int(own_clean) + int(own_dirty)) * _KB
                sizes = int(rss) * _KB, int(pss) * _KB, private, int(anonymous) * _KB
                yield (
                    AnonymousMapping(int(start, 16), int(end, 16), mode, path, *sizes),
                    _below(*below) if below_end == start else None,
                )
            below_end, below = end, (mode, path, is_file, start, end, offset)


def _below(mode: str, path: str, is_file: bool, start: str, end: str, offset: str) -> MappingBelow:
    return MappingBelow(mode, path, is_file, int(offset, 16) + int(end, 16) - int(start, 16))
