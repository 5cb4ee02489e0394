"""Writes records as a capture of memray's format, so that the compiled core can read them."""

from __future__ import annotations

import struct

from tests.core.test_capture_parser import TRAILER, header, number, signed

from fwmemtrace.capture import markers
from fwmemtrace.capture.native_records import FREE, MUNMAP, PYMALLOC_FREE

MAPS_BEGIN, THREAD_SWITCH, CODE, POP, PUSH, ALLOCATION = 6, 12, 14, 16, 64, 128


class CaptureWriter:
    """Turns records into a capture. A stack is one frame here, and has the number in which order it came.

    Args:
        native: whether the capture has native traces: a stack's is then the rest of its number by three.
    """

    def __init__(self, native=False):
        self._native = native
        self._parts = [header(native=native), bytes([MAPS_BEGIN])]
        self._numbers = {}
        self._thread = None
        self._deep = set()  # threads that are in a frame
        self._pointer = self._last_native = 0

    def stack(self, key):
        """Return the number of a stack, 0 for that of no frame."""
        return self._numbers.get(key, 0)

    def add(self, record, marker=None):
        """Write a record, and return it as a parser reads it.

        Args:
            record: a tuple as in `native_records`, with anything for a stack.
            marker: what the stack's innermost frame encodes, None for an ordinary stack.
        """
        thread, address, size, allocator, key, *_ = record
        if thread != self._thread:
            self._parts.append(bytes([THREAD_SWITCH]) + struct.pack("<Q", thread))
            self._thread = thread
        is_free = allocator in (FREE, PYMALLOC_FREE)
        stack = native = generation = native_step = 0
        if not is_free and allocator != MUNMAP:
            stack = self._enter(key, marker)
            generation = 1
            if self._native:
                native = stack % 3
                native_step, self._last_native = native - self._last_native, native
        step, self._pointer = (address >> 3) - self._pointer, address >> 3
        self._parts.append(bytes([ALLOCATION | 15 << 3]) + signed(step) + bytes([allocator]))
        if not is_free:
            self._parts.append((signed(native_step) if self._native else b"") + number(size))
        return thread, address, size, allocator, stack, 1, native, generation

    def _enter(self, key, marker):
        if self._thread in self._deep:
            self._parts.append(bytes([POP]))
        self._deep.add(self._thread)
        place = self._numbers.get(key)
        if place is None:
            place = self._numbers[key] = len(self._numbers) + 1
            name, file = (f"f{place}", "x.py") if marker is None else (markers.name_of(*_order(marker)), markers.FILE)
            text = name.encode() + b"\0" + file.encode() + b"\0"
            self._parts.append(bytes([CODE]) + number(place) + text + signed(1) + number(0))
        self._parts.append(bytes([PUSH | 1]) + number(place) + signed(0))
        return place

    def bytes(self):
        """Return the capture."""
        return b"".join(self._parts) + TRAILER


def _order(marker):
    return marker.word, marker.text, marker.high
