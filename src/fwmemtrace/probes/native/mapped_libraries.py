"""Notes which builds of which shared libraries are mapped, for whoever resolves their symbols later.

A capture holds addresses in libraries, and names come from the files that lie there when it is read. On another
machine, or after an upgrade, those may be other builds: then every name would be wrong, and nobody could tell.
"""

from __future__ import annotations

import re

from ...records import MappedLibrary
from ...system.elf import build_of
from ...system.mapped_paths import DELETED, without_deleted
from ..base import Emit

_LINE = re.compile(rb"^\S+ ..x. \S+ \S+ [1-9]\d* +(/.*)$", re.MULTILINE)


class MappedLibraries:
    """Tells each library once.

    Args:
        emit: takes a record to the sink.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._known: set[bytes] = set()

    def look(self, text: bytes) -> None:
        """Look for further ones in what /proc/self/maps holds (proc(5))."""
        for line in _LINE.findall(text):
            if line not in self._known:
                self._known.add(line)
                path = line.decode("utf-8", "replace")
                # What lies at the path of a deleted one is another file.
                build = None if path.endswith(DELETED) else build_of(path)
                self._emit(MappedLibrary(without_deleted(path), build))
