"""Reads /proc/self/smaps: every mapping of this process and what of it is resident.

The fields are those of `proc_pid_smaps(5)`. The file is made while it is read, a walk over the page tables, which takes
milliseconds in a big process; it is read and parsed piece by piece, since as a whole it would be a megabyte.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_PIECE = 128 * 1024
_KB = 1024
_END = "VmFlags:"  # what every mapping's last line begins with
# One mapping. Newer kernels add fields in between, never in another order. The mappings follow each other without a
# gap, and nothing in here lets the search go back and try again: a thousand of them may take a few milliseconds.
_ENTRY = re.compile(
    r"([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) \S+ (\d+) *(.*)\n"
    r"Size:[^R]+Rss:([ \d]+)kB\nPss:([ \d]+)kB\n(?:Pss_Dirty:[ \d]+kB\n)?"
    r"Shared_Clean:([ \d]+)kB\nShared_Dirty:([ \d]+)kB\nPrivate_Clean:([ \d]+)kB\nPrivate_Dirty:([ \d]+)kB\n"
    r"Referenced:[ \d]+kB\nAnonymous:([ \d]+)kB\n[^V]*VmFlags:.*\n"
)
_HEAD = re.compile(rb"[0-9a-f]+-[0-9a-f]+ ")


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
        rest = b""
        while piece := os.read(fd, _PIECE):
            rest += piece
            cut = _last_head(rest)
            if cut > 0:
                yield rest[:cut]
                rest = rest[cut:]
        if rest:
            yield rest
    finally:
        os.close(fd)


def _last_head(text: bytes) -> int:
    """Where the last mapping begins, which may not be whole yet."""
    end = len(text)
    while (line := text.rfind(b"\n", 0, end)) >= 0:
        if _HEAD.match(text, line + 1):
            return line + 1
        end = line
    return 0


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
        text = os.fsdecode(piece)
        entries = _ENTRY.findall(text)
        if len(entries) != text.count(_END):
            raise ValueError(f"found {text.count(_END)} mappings in smaps, of which {len(entries)} have the known form")
        for start, end, mode, offset, inode, path, rss, pss, *divided, anonymous in entries:
            is_file = inode != "0" or path.startswith("/")  # a System V segment may have the number 0
            if not int(rss):
                pass
            elif is_file:
                total = files.get(path)
                if total is None:
                    total = files[path] = FileTotal()
                total.rss += int(rss) * _KB
                total.pss += int(pss) * _KB
                total.shared_clean += int(divided[0]) * _KB
                total.shared_dirty += int(divided[1]) * _KB
                total.private_clean += int(divided[2]) * _KB
                total.private_dirty += int(divided[3]) * _KB
                total.anonymous += int(anonymous) * _KB
            else:
                private = (int(divided[2]) + int(divided[3])) * _KB
                sizes = int(rss) * _KB, int(pss) * _KB, private, int(anonymous) * _KB
                yield (
                    Mapping(int(start, 16), int(end, 16), mode, path, *sizes),
                    _below(*below) if below_end == start else None,
                )
            below_end, below = end, (mode, path, is_file, start, end, offset)


def _below(mode: str, path: str, is_file: bool, start: str, end: str, offset: str) -> Below:
    return Below(mode, path, is_file, int(offset, 16) + int(end, 16) - int(start, 16))
