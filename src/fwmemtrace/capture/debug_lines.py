"""Source files, lines and inlined functions, by memray's reader of debugging information (libbacktrace).

It gets a capture of its own, with nothing in it but addresses in libraries that have debugging information. So memray
never looks for symbols elsewhere: at a frame in a library without, it reads all libraries of the *reading* process, and
may take a name from one of these.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ..varint import varint
from .frames import PythonFrame

# Records and their fields as in csrc/capture_parser.c.
_TRAILER, _NATIVE_FRAME, _MAPS_BEGIN, _LIBRARY, _SEGMENT, _THREAD = 1, 5, 6, 7, 8, 12
_ALLOCATION = 128 | 15 << 3 | 6  # malloc, at an address that is written in full
_ROOM = 1 << 40  # bytes of addresses for each library


class DebugLines:
    """What debugging information says of some addresses. None is read before it is asked for.

    Args:
        header: of a capture with native frames, by the parser.
        places: paths of libraries, and addresses as these files have them.
    """

    def __init__(self, header: bytes, places: Iterable[tuple[str, int]]) -> None:
        from memray import FileReader

        known = sorted({place for place in places if place[1] < _ROOM})
        self._numbers = {place: number for number, place in enumerate(known, 1)}
        with open(os.memfd_create("addresses"), "wb") as file:
            file.write(_capture(header, known))
            file.flush()
            self._reader: Any = FileReader(f"/proc/self/fd/{file.fileno()}")
            self._lens: Any = next(iter(self._reader.get_allocation_records()))
            self._reader.close()

    def frames_at(self, path: str, address: int) -> list[PythonFrame]:
        """Return the function at an address, and those that it was inlined into, innermost first; [] if unknown."""
        number = self._numbers.get((path, address))
        if number is None:
            return []
        self._lens.__init__((0, 0, 0, 6, 0, 1, number, 1))
        frames: list[PythonFrame] = self._lens.native_stack_trace()
        return frames


def _capture(header: bytes, places: list[tuple[str, int]]) -> bytes:
    """Return a capture in which each place is a native stack of one frame, numbered from 1."""
    bases = {path: number * _ROOM for number, path in enumerate(dict.fromkeys(path for path, _ in places), 1)}
    written = bytearray(header)
    written.append(_MAPS_BEGIN)
    for path, base in bases.items():
        written += bytes([_LIBRARY]) + os.fsencode(path) + b"\0" + varint(1) + _word(base)
        written += bytes([_SEGMENT]) + _word(0) + varint(_ROOM)
    latest = 0
    for path, address in places:
        instruction = bases[path] + address + 1  # as a return address: behind the call
        written += bytes([_NATIVE_FRAME]) + _signed(instruction - latest) + _signed(0)
        latest = instruction
    written += bytes([_THREAD]) + _word(1)
    written += bytes([_ALLOCATION]) + _signed(1) + _signed(0) + varint(1)
    written.append(_TRAILER)
    return bytes(written)


def _word(number: int) -> bytes:
    return number.to_bytes(8, "little")


def _signed(number: int) -> bytes:
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)
