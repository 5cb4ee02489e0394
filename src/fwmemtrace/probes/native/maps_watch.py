"""Tells a memray capture which mappings are of files, and which are address space that is only reserved.

memray records that something was mapped, not what. /proc/self/maps says it, and what it says is left in the capture as
marks, so that they stand in the right order with the mappings themselves. Reading it takes up to a millisecond in a
process with a hundred libraries: it is read where the address space has changed its size, at the end of a phase or from
a thread, and never for more than a small share of the time. What comes and goes between two readings is missed.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from time import perf_counter_ns

from ...capture.markers import MappedRange
from ...system.mapped_paths import FILE, kind_of
from ...system.meter import Meter
from ...system.proc import open_file
from .mapped_libraries import MappedLibraries
from .marker_writer import MarkerWriter

_SHARE = 0.002  # of the time, at most
_LOOK_EVERY_NS = 1_000_000  # whether the address space has changed takes 3 µs to find out
_INTERVAL_S = 0.1

# Lines of files that are not executable code, and of anonymous address space without any permission. What belongs to a
# shared library is mapped by the dynamic loader, which memray does not see: such lines are passed over.
_LINE = re.compile(
    rb"^([0-9a-f]+)-([0-9a-f]+) "
    rb"(?:r[w-]-[ps] [0-9a-f]+ \S+ [1-9]\d* +(?!.*\.so(?:[.\s]|$))(/.*)|---[ps] 0+ \S+ \d+ *(?:/dev/zero.*)?)$",
    re.MULTILINE,
)
# glibc reserves 64 MiB for each of its arenas, up to an address of that alignment, and turns it into memory bit by bit.
# memray sees none of it, and naming each step would fill the capture. Guard pages are too small to matter.
_ARENA = 64 * 2**20
_RESERVED_AT_LEAST = 2**20


def read_mappings(text: bytes | bytearray) -> set[MappedRange]:
    """The mappings that are not plain memory, out of what /proc/<pid>/maps holds (proc(5))."""
    found = set()
    for start, end, path in _LINE.findall(text):
        mapping = MappedRange(int(start, 16), int(end, 16), os.fsdecode(path) if path else None)
        size = mapping.end - mapping.start
        if mapping.path is not None:
            if kind_of(mapping.path) == FILE:
                found.add(mapping)
        elif size >= _RESERVED_AT_LEAST and not _is_in_an_arena(mapping, text):
            found.add(mapping)
    return found


def _is_in_an_arena(mapping: MappedRange, text: bytes | bytearray) -> bool:
    """Whether it is what an arena of glibc's has not yet turned into memory: that begins where the arena does."""
    begin = mapping.end - _ARENA
    return mapping.end % _ARENA == 0 and begin < mapping.start and text.find(b"\n%x-" % begin) >= 0


class MapsWatch:
    """Looks at /proc/self/maps when it is worth it.

    Args:
        markers: where to leave what was found.
        meter: tells the size of the address space.
        libraries: told of every reading too, if given.

    Raises:
        OSError: if there is no /proc.
    """

    def __init__(self, markers: MarkerWriter, meter: Meter, libraries: MappedLibraries | None = None) -> None:
        self._markers = markers
        self._libraries = libraries
        self._vms: Callable[[], int] = meter.vms
        self._fd = open_file("maps")
        self._buffer = bytearray(64 * 1024)
        self._known: set[MappedRange] = set()
        self._size = -1
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.next_look_ns = 0
        self._look(force=True)
        # memray wraps the thread's bootstrap, so it is an ordinary thread to it; its first mark says whose it is.
        self._thread = threading.Thread(target=self._run, name="fwmemtrace maps", daemon=True)
        self._thread.start()

    def at_edge(self) -> None:
        """Look if it is due; the caller leaves a mark behind it that says where the thread goes on."""
        if perf_counter_ns() >= self.next_look_ns and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()

    def stop(self) -> None:
        """Look once more, and end the thread."""
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)
        with self._lock:
            self._look(force=True)
        os.close(self._fd)

    def _run(self) -> None:
        self._markers.away()
        while not self._stopped.wait(_INTERVAL_S):
            if perf_counter_ns() < self.next_look_ns:
                continue
            with self._lock:
                try:
                    self._look()
                except Exception:  # its traceback is not for the program's output; the figures merely get less
                    return

    def _look(self, *, force: bool = False) -> None:
        began = perf_counter_ns()
        size = self._vms()
        if size == self._size and not force:
            self.next_look_ns = began + _LOOK_EVERY_NS
            return
        self._size = size
        self._markers.away()
        text = self._read()
        if self._libraries is not None:
            self._libraries.look(text)
        found = read_mappings(text)
        for mapping in sorted(self._known - found):
            self._markers.say("maps-", mapping.row())
        for mapping in sorted(found - self._known):
            self._markers.say("maps+", mapping.row())
        self._known = found
        self._markers.say("maps!")
        ended = perf_counter_ns()
        self.next_look_ns = ended + round((ended - began) / _SHARE)

    def _read(self) -> bytes:
        # Into a buffer that stays, so that reading leaves one allocation in the capture, not one for each page of text.
        read = 0
        while True:
            if read == len(self._buffer):
                self._buffer = self._buffer + bytearray(len(self._buffer))
            got = os.preadv(self._fd, [memoryview(self._buffer)[read:]], read)
            if got == 0:
                return bytes(memoryview(self._buffer)[:read])
            read += got
