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
    r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ (\d+) *(.*)\n"
    r"Size:[^R]+Rss:([ \d]+)kB\nPss:([ \d]+)kB\n(?:Pss_Dirty:[ \d]+kB\n)?"
    r"Shared_Clean:([ \d]+)kB\nShared_Dirty:([ \d]+)kB\nPrivate_Clean:([ \d]+)kB\nPrivate_Dirty:([ \d]+)kB\n"
    r"Referenced:[ \d]+kB\nAnonymous:([ \d]+)kB\n[^V]*VmFlags:.*\n"
)
_HEAD = re.compile(rb"[0-9a-f]+-[0-9a-f]+ ")


class Mapping(NamedTuple):
    """One mapping: sizes in bytes, addresses as they are."""

    start: int
    end: int
    permissions: str
    inode: str  # "0" for memory of no file
    path: str  # "" for anonymous memory; "[heap]", "[stack]", "[anon:name]" for what the kernel names
    rss: int
    pss: int
    private: int  # in no other process's map
    evictable: int  # clean pages of a file, which cost nothing to take back
    anonymous: int  # pages of no file; in a file's private mapping, those that were written to


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


def parse(pieces: Iterable[bytes]) -> Iterator[Mapping]:
    """The mappings in the order of their addresses, those with nothing resident too.

    Raises:
        ValueError: if the file has not the form that proc_pid_smaps(5) gives it.
    """
    for piece in pieces:
        text = os.fsdecode(piece)
        entries = _ENTRY.findall(text)
        if len(entries) != text.count(_END):
            raise ValueError(f"found {text.count(_END)} mappings in smaps, of which {len(entries)} have the known form")
        for start, end, permissions, inode, path, *sizes in entries:
            rss, pss, shared_clean, shared_dirty, private_clean, private_dirty, anonymous = map(int, sizes)
            clean = 0
            if inode != "0":
                unwritten = anonymous - shared_dirty - private_dirty  # copied, swapped out and read in again
                clean = shared_clean + private_clean - (unwritten if unwritten > 0 else 0)
            yield Mapping(
                int(start, 16),
                int(end, 16),
                permissions,
                inode,
                path,
                rss * _KB,
                pss * _KB,
                (private_clean + private_dirty) * _KB,
                clean * _KB if clean > 0 else 0,
                anonymous * _KB,
            )
