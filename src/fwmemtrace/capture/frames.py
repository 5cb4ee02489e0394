"""Takes apart the frames that memray gives, and leaves out names that would be wrong."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from functools import cache
from typing import TypeAlias

from .symbol_hook import library_and_source, tell_libraries

UNKNOWN = "<unknown>"  # as memray calls what it does not know
Frame: TypeAlias = tuple[str, str, int]  # function, file, line
# The same, "" where the source file is not known, and the path of a C or C++ frame's library where that is.
WholeFrame: TypeAlias = tuple[str, str, int, str | None]


class FrameResolver:
    """Makes whole frames of memray's.

    Args:
        other_builds: paths of libraries that are other builds here than in the traced process: the names that memray
            finds in them are of other functions.

    Attributes:
        usable: whether C and C++ frames can be told at all: not where the interpreter is another build, by whose names
            memray puts Python's frames in their places, nor where there are others and no telling which frames are in
            them.
    """

    def __init__(self, other_builds: Collection[str] = ()) -> None:
        told = tell_libraries() is not None
        self.usable = not other_builds or (told and not any(map(_is_interpreter, other_builds)))
        others = {os.path.realpath(path) for path in other_builds}
        self._is_other = cache(lambda library: os.path.realpath(library) in others)

    def whole(self, frames: Iterable[Frame]) -> list[WholeFrame]:
        """FrameResolver with their libraries; those without either a name or a library are left out."""
        found: list[WholeFrame] = []
        for function, file, line in frames:
            library, source = library_and_source(file)
            if library is not None and self._is_other(library):
                found.append((UNKNOWN, "", 0, library))
            elif function != UNKNOWN or library is not None:
                found.append((function, "" if source == UNKNOWN else source, line, library))
        return found


def without_symbol(frames: Iterable[Frame]) -> list[str | None]:
    """The libraries of the frames that memray found no name for; None where it does not say the library either."""
    return [library_and_source(file)[0] for function, file, _ in frames if function == UNKNOWN]


def _is_interpreter(path: str) -> bool:
    return os.path.basename(path).startswith(("python", "libpython"))
