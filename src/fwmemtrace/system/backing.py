"""Whether an address lies in private memory, in a mapped file, or in memory shared with others."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from typing import Literal, TypeAlias

from ..foreign_errors import pass_on
from .descriptors import read_file
from .mapped_paths import DEVICE, FILE, SHARED_MEMORY, kind_of
from .proc import path_of

Backing: TypeAlias = Literal["private", "file", "shared"]

_NAMED_MAPPING = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+ +(\S.*)$", re.MULTILINE)
_BACKING: dict[str, Backing] = {FILE: "file", SHARED_MEMORY: "shared", DEVICE: "shared"}  # all else is private


class BackingMap:
    """The backing of every address at one moment, from /proc/self/maps; without that file everything is private."""

    def __init__(self) -> None:
        try:
            text = read_file(path_of("maps"))
        except OSError as error:
            pass_on(error)
            text = b""
        self._starts: list[int] = []
        self._ends: list[tuple[int, Backing]] = []
        for start, end, path in _NAMED_MAPPING.findall(text):
            backing = _BACKING.get(kind_of(os.fsdecode(path)))
            if backing is not None:
                self._starts.append(int(start, 16))
                self._ends.append((int(end, 16), backing))

    def backing_at(self, address: int) -> Backing:
        """Return the backing of the memory at an address."""
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return "private"
        end, backing = self._ends[at]
        return backing if address < end else "private"
