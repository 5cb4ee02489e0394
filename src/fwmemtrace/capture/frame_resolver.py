"""Takes apart the frames that memray gives, and leaves out names that would be wrong."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from functools import cache, lru_cache

from .frames import UNKNOWN, HybridFrame, PythonFrame
from .symbol_hook import install, library_and_source

_CACHED = 65_536  # frames


class FrameResolver:
    """Turns memray's frames into frames with their libraries.

    Args:
        other_builds: paths of libraries that are other builds here than in the traced process: the names that memray
            finds in them are those of other functions.

    Attributes:
        usable: whether native frames can be shown at all. They cannot where the interpreter is another build, because
            memray puts Python's frames in their places by the interpreter's names; nor where any library is, and memray
            does not tell which frames are in it.
    """

    def __init__(self, other_builds: Collection[str] = ()) -> None:
        hooked = install() is not None
        self.usable = not other_builds or (hooked and not any(map(_is_interpreter, other_builds)))
        others = {os.path.realpath(path) for path in other_builds}
        self._is_other = cache(lambda library: os.path.realpath(library) in others)
        self._resolved = lru_cache(_CACHED)(self._resolve)  # the same frames are in most stacks

    def resolve(self, frames: Iterable[PythonFrame]) -> list[HybridFrame]:
        """Return frames with their libraries; those with neither a name nor a library are left out."""
        return [frame for frame in map(self._resolved, frames) if frame is not None]

    def _resolve(self, frame: PythonFrame) -> HybridFrame | None:
        function, file, line = frame
        library, source = library_and_source(file)
        if library is not None and self._is_other(library):
            return UNKNOWN, "", 0, library
        if function == UNKNOWN and library is None:
            return None
        return function, "" if source == UNKNOWN else source, line, library


def libraries_without_symbols(frames: Iterable[PythonFrame]) -> list[str | None]:
    """Return the library of each frame that memray has no name for, None where that is not known either."""
    return [library_and_source(file)[0] for function, file, _ in frames if function == UNKNOWN]


def _is_interpreter(path: str) -> bool:
    return os.path.basename(path).startswith(("python", "libpython"))
