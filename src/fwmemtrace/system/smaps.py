"""Reads /proc/self/smaps: every mapping of this process and what of it is resident.

The fields are those of `proc_pid_smaps(5)`. The file is made while it is read, a walk over the page tables, which takes
milliseconds in a big process; it is read and parsed piece by piece, since as a whole it would be a megabyte.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_PIECE = 64 * 1024
# The kernel puts whole mappings into a buffer of one page, and walks again over the one that does not fit any more. It
# stops before that when as much as was asked for is there, and a mapping takes 800 to 1,000 bytes.
_READ = 3000
_KB = 1024
_SWAPPED = re.compile(rb"\nSwapPss: +([1-9]\d*) kB")
_LAST_LINE = b"\nVmFlags:"  # what every mapping's last line begins with
# One mapping. Newer kernels add fields in between, never in another order. The mappings follow each other without a
# gap, and nothing in here lets the search go back and try again: a thousand of them may take a few milliseconds.
_ENTRY = re.compile(
    r"([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) \S+ (\d+) *(.*)\n"
    r"Size:[^R]+Rss: *(\d+) kB\nPss: *(\d+) kB\n(?:Pss_Dirty:[ \d]+kB\n)?Shared_Clean: *(\d+) kB\n"
    r"Shared_Dirty: *(\d+) kB\nPrivate_Clean: *(\d+) kB\nPrivate_Dirty: *(\d+) kB\nReferenced:[ \d]+kB\n"
    r"Anonymous: *(\d+) kB\n[^V]*VmFlags:.*\n"
)


class Mapping(NamedTuple):
    """One mapping of no file: sizes in bytes, addresses as they are."""

    start: int
    end: int
    permissions: str
    path: str  # "", or "[heap]", "[stack]", "[anon:name]" for what the kernel names
    rss: int
    pss: int
    private: int  # in no other process's map
    anonymous: int  # pages of no file


class Below(NamedTuple):
    """What is mapped right below another mapping, without a gap."""

    permissions: str
    path: str
    is_file: bool
    file_end: int  # where in the file it ends


class FileTotal:
    """All mappings of one file together: sizes in bytes."""

    __slots__ = ("anonymous", "private_clean", "private_dirty", "pss", "rss", "shared_clean", "shared_dirty")

    def __init__(self) -> None:
        self.rss = self.pss = self.anonymous = 0
        self.shared_clean = self.shared_dirty = self.private_clean = self.private_dirty = 0

    @property
    def private(self) -> int:
        """In no other process's map."""
        return self.private_clean + self.private_dirty

    @property
    def evictable(self) -> int:
        """Clean pages of the file, which cost nothing to take back."""
        unwritten = self.anonymous - self.shared_dirty - self.private_dirty  # copied, swapped out and read in again
        return max(0, self.shared_clean + self.private_clean - max(0, unwritten))


def read(path: str = "/proc/self/smaps") -> Iterator[bytes]:
    """The file, piece by piece, each piece of whole mappings.

    Raises:
        OSError: where there is no such file, or reading it is forbidden.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
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
        os.close(fd)


def _end_of_last(text: bytes) -> int:
    """Where the last mapping that is whole ends; 0 if none is."""
    end = len(text)
    while (line := text.rfind(_LAST_LINE, 0, end)) >= 0:
        if (cut := text.find(b"\n", line + 1) + 1) > 0:
            return cut
        end = line
    return 0


def swapped(piece: bytes) -> int:
    """Bytes that are swapped out, pages shared with other processes divided among them (SwapPss)."""
    return sum(map(int, _SWAPPED.findall(piece))) * _KB


def parse(pieces: Iterable[bytes], files: dict[str, FileTotal]) -> Iterator[tuple[Mapping, Below | None]]:
    """Take the mappings in the order of their addresses.

    Args:
        pieces: as `read` gives them.
        files: takes the mappings of files, by their path.

    Yields:
        Each mapping of no file that has anything resident, and what lies right below it.

    Raises:
        ValueError: if the file has not the form that proc_pid_smaps(5) gives it.
    """
    below_end, below = "", ("", "", False, "", "", "")
    for piece in pieces:
        entries = _ENTRY.findall(os.fsdecode(piece))
        if len(entries) != (mappings := piece.count(_LAST_LINE)):
            raise ValueError(f"found {mappings} mappings in smaps, of which {len(entries)} have the known form")
        for start, end, mode, offset, inode, path, rss, pss, clean, dirty, own_clean, own_dirty, anonymous in entries:
            is_file = inode != "0" or path.startswith("/")  # a System V segment may have the number 0
            if rss == "0":
                pass
            elif is_file:
                total = files.get(path)
                if total is None:
                    total = files[path] = FileTotal()
                total.rss += int(rss) * _KB
                total.pss += int(pss) * _KB
                # Most of these are zero, and comparing is faster than adding nothing.
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
                    Mapping(int(start, 16), int(end, 16), mode, path, *sizes),
                    _below(*below) if below_end == start else None,
                )
            below_end, below = end, (mode, path, is_file, start, end, offset)


def _below(mode: str, path: str, is_file: bool, start: str, end: str, offset: str) -> Below:
    return Below(mode, path, is_file, int(offset, 16) + int(end, 16) - int(start, 16))
