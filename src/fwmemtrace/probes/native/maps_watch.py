"""Records in a memray capture which mappings are of files, and which are address space that is only reserved.

memray records that something was mapped, but not what. /proc/self/maps has it, and its changes are left in the capture
as markers, in order with the mappings themselves. A reading takes up to a millisecond in a process with a hundred
libraries. So it is taken when the size of the address space has changed, at the end of a phase or from a thread, and
never for more than a small share of the time. Mappings that come and go between two readings are missed.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from time import perf_counter_ns

from ...capture.markers import MappedRange
from ...system.descriptors import close, is_ours
from ...system.mapped_paths import FILE, kind_of
from ...system.meter import Meter
from ...system.own_thread import OwnThread
from ...system.proc import open_file
from .mapped_libraries import MappedLibraries
from .marker_writer import MarkerWriter

_SHARE = 0.002  # of the time, at most
_CHECK_EVERY_NS = 1_000_000  # checking the size of the address space takes 3 µs
_INTERVAL_S = 0.1

# Matches files that are not executable code, and anonymous address space without any permission. Segments of shared
# libraries are left out: the dynamic loader maps them, which memray does not see.
_LINE = re.compile(
    rb"^([0-9a-f]+)-([0-9a-f]+) "
    rb"(?:r[w-]-[ps] [0-9a-f]+ \S+ [1-9]\d* +(?!.*\.so(?:[.\s]|$))(/.*)|---[ps] 0+ \S+ \d+ *(?:/dev/zero.*)?)$",
    re.MULTILINE,
)
# glibc reserves 64 MiB for each of its arenas, aligned to that size, and makes it accessible bit by bit. memray sees
# none of it, and a marker for each step would fill the capture. Guard pages are too small to matter.
_ARENA = 64 * 2**20
_RESERVED_AT_LEAST = 2**20


def read_mappings(text: bytes | bytearray) -> set[MappedRange]:
    """Return the mappings that are not plain memory from the text of /proc/<pid>/maps (proc(5))."""
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
    """Return whether it is the inaccessible part of a glibc arena; the arena begins with the other part."""
    begin = mapping.end - _ARENA
    return mapping.end % _ARENA == 0 and begin < mapping.start and text.find(b"\n%x-" % begin) >= 0


class MapsWatch:
    """Reads /proc/self/maps when the address space has changed.

    Args:
        markers: leaves what changed in the capture.
        meter: reads the size of the address space.
        libraries: gets the text of every reading, if given.

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
        self.next_reading_ns = 0
        self._check(force=True)
        # memray records this thread like any other; its first marker sets it apart.
        self._thread = OwnThread(self._run)

    def at_edge(self) -> None:
        """Read if that is due. The caller then leaves a marker for where the thread continues."""
        if perf_counter_ns() >= self.next_reading_ns and self._lock.acquire(blocking=False):
            try:
                self._check()
            finally:
                self._lock.release()

    def stop(self) -> None:
        """Read once more, and end the thread."""
        self._stopped.set()
        self._thread.join(timeout=1.0)
        with self._lock:
            self._check(force=True)
        close(self._fd)

    def _run(self) -> None:
        self._markers.begin_overhead()
        while not self._stopped.wait(_INTERVAL_S):
            if perf_counter_ns() < self.next_reading_ns:
                continue
            with self._lock:
                try:
                    self._check()
                except Exception:  # less exact figures are better than a traceback in the program's output
                    return

    def _check(self, *, force: bool = False) -> None:
        began = perf_counter_ns()
        size = self._vms()
        if size == self._size and not force:
            self.next_reading_ns = began + _CHECK_EVERY_NS
            return
        self._size = size
        self._markers.begin_overhead()
        text = self._read()
        if self._libraries is not None:
            self._libraries.add(text)
        found = read_mappings(text)
        for mapping in sorted(self._known - found):
            self._markers.leave("maps-", mapping.row())
        for mapping in sorted(found - self._known):
            self._markers.leave("maps+", mapping.row())
        self._known = found
        self._markers.leave("maps!")
        ended = perf_counter_ns()
        self.next_reading_ns = ended + round((ended - began) / _SHARE)

    def _read(self) -> bytes:
        # Into a buffer that is kept, so that reading is one allocation in the capture, not one for each page of text.
        read = 0
        if not is_ours(self._fd):  # the program has closed it
            close(self._fd)
            self._fd = open_file("maps")
        while True:
            if read == len(self._buffer):
                self._buffer = self._buffer + bytearray(len(self._buffer))
            got = os.preadv(self._fd, [memoryview(self._buffer)[read:]], read)
            if got == 0:
                return bytes(memoryview(self._buffer)[:read])
            read += got
