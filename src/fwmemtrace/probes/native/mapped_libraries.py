"""Records the build of each mapped library, for the reader that resolves symbols later.

A capture holds addresses in libraries, and the names come from the files at their paths when it is read. On another
machine, or after an upgrade, these may be other builds: every name would be wrong, and nothing would show it.
"""

from __future__ import annotations

import re

from ...records import MappedLibrary
from ...system.elf import build_of
from ...system.mapped_paths import DELETED, without_deleted
from ..base import Emit

_LINE = re.compile(rb"^\S+ ..x. \S+ \S+ [1-9]\d* +(/.*)$", re.MULTILINE)


class MappedLibraries:
    """Records each library once.

    Args:
        emit: sends a record to the sink.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._known: set[bytes] = set()

    def add(self, text: bytes) -> None:
        """Record the libraries that are new in a text of /proc/self/maps (proc(5))."""
        for line in _LINE.findall(text):
            if line not in self._known:
                self._known.add(line)
                path = line.decode("utf-8", "replace")
                # The file at the path of a deleted library is another one.
                build = None if path.endswith(DELETED) else build_of(path)
                self._emit(MappedLibrary(without_deleted(path), build))
