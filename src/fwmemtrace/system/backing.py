"""Whether an address lies in memory of this process's own, in a mapped file, or in memory shared with others."""

from __future__ import annotations

import re
from bisect import bisect_right
from pathlib import Path
from typing import Literal, TypeAlias

Backing: TypeAlias = Literal["private", "file", "shared"]

MAPS = Path("/proc/self/maps")  # tests point it elsewhere
# Only mappings with a path that begins with a slash are of a file, or of what pretends to be one.
_FILE = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+ +(/.*)$", re.MULTILINE)
# Shared memory has the shape of a file without being kept on a disk: tmpfs of shm_open, memfd_create, and shmget.
_SHARED = (b"/dev/shm/", b"/memfd:", b"/SYSV", b"/dev/zero")


class Mappings:
    """The mappings of this process at one moment, from /proc/self/maps; without that, everything is private."""

    def __init__(self) -> None:
        try:
            text = MAPS.read_bytes()
        except OSError:
            text = b""
        self._starts: list[int] = []
        self._ends: list[tuple[int, Backing]] = []
        for start, end, path in _FILE.findall(text):
            self._starts.append(int(start, 16))
            self._ends.append((int(end, 16), "shared" if path.startswith(_SHARED) else "file"))

    def backing(self, address: int) -> Backing:
        """What the memory at that address is made of."""
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return "private"
        end, backing = self._ends[at]
        return backing if address < end else "private"
