"""The C and C++ frames of a capture: the library of each by the capture's own maps, its name by that library alone."""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import cache, cached_property
from typing import TYPE_CHECKING, TypeAlias

from ..symbols.library import LibrarySymbols
from .debug_lines import DebugLines
from .frames import UNKNOWN, HybridFrame

if TYPE_CHECKING:
    from ..core._compiled import CaptureParser

_ALL = 1 << 30  # frames
_Place: TypeAlias = tuple[int, int]  # number of a library, and an address as its file has it


class NativeFrames:
    """Turns native stacks into frames.

    Args:
        parser: of the capture.
        other_builds: paths of libraries that are other builds here than in the traced process, so that their symbols
            are not those of the capture.
    """

    def __init__(self, parser: CaptureParser, other_builds: Collection[str] = ()) -> None:
        self._parser = parser
        self._paths = parser.libraries
        self._others = {os.path.realpath(path) for path in other_builds}
        self._names: dict[_Place, HybridFrame] = {}
        self._frames: dict[_Place, list[HybridFrame]] = {}
        self._symbols = cache(self._symbols_of)

    def named(self, native: int, generation: int, depth: int) -> list[HybridFrame]:
        """Return a stack's innermost frames, at most `depth`, without lines and inlined functions: that is fast.

        Args:
            native: the number of the stack.
            generation: the number of the maps that it was taken with.
            depth: the most frames that are wanted.
        """
        return [self._name_at(place) for place in self._parser.native_frames(native, generation, depth)]

    def with_lines(self, native: int, generation: int) -> list[HybridFrame]:
        """Return a stack's frames, inlined functions too, innermost first; see `named`."""
        return [
            frame
            for place in self._parser.native_frames(native, generation, _ALL)
            for frame in self._frames.get(place) or self._frames_at(place)
        ]

    def _name_at(self, place: _Place) -> HybridFrame:
        frame = self._names.get(place)
        if frame is None:
            symbols = self._symbols(place[0])
            name = None if symbols is None else symbols.name_at(place[1])
            frame = self._names[place] = (name or UNKNOWN, "", 0, self._paths[place[0]])
        return frame

    def _frames_at(self, place: _Place) -> list[HybridFrame]:
        path = self._paths[place[0]]
        lines = self._lines.frames_at(path, place[1]) if self._has_lines(place[0]) else []
        frames: list[HybridFrame] = [
            (name, "" if source == UNKNOWN else source, line, path) for name, source, line in lines
        ]
        self._frames[place] = frames = frames or [self._name_at(place)]
        return frames

    @cached_property
    def _lines(self) -> DebugLines:
        places = self._parser.native_addresses()
        with_lines = {library for library, _ in places if self._has_lines(library)}
        return DebugLines(
            self._parser.header(), ((self._paths[place[0]], place[1]) for place in places if place[0] in with_lines)
        )

    def _has_lines(self, library: int) -> bool:
        symbols = self._symbols(library)
        return symbols is not None and symbols.has_lines

    def _symbols_of(self, library: int) -> LibrarySymbols | None:
        path = self._paths[library]
        return None if os.path.realpath(path) in self._others else LibrarySymbols(path)
