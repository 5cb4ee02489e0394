"""Reads the tables of the sampled heap, as the compiled core leaves them: after a clean stop, or after a kill.

csrc/tables.c and csrc/heap_file.c write them. Whatever an entry says is checked, because a process may die at any time
and a file may be damaged later; what does not fit is left out.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from typing import NamedTuple

from ..errors import CaptureError
from ..paths import PhasePath
from .frames import PythonFrame

_MAGIC = b"fwmheap\n"
_VERSION = 1
_HEADER = struct.Struct("=8sIIIIQQQQQQQddQQ")
_HEAD = struct.Struct("=IHH")
_CODE = struct.Struct("=IHHIiQQHHI")
_SITE = struct.Struct("=IHHIIQQIIdddQII")
_PHASE = struct.Struct("=IHHIIQddddddQIIII")
_LIBRARY = struct.Struct("=IHHQQII")
_BLOCK = struct.Struct("=QQddIIIIII")
_DEEPEST = 1000
_ENTRIES = re.compile(rb"[\x80-\xff][\x00-\x7f]*")  # of a location table: only first bytes have the highest bit

OBJECT = 2  # a block of one of Python's allocators


class HeapBlock(NamedTuple):
    """A live sample."""

    address: int
    size: int
    weight: float  # the bytes that it stands for
    variance: float
    site: int
    thread_id: int
    kind: int
    call: int  # the number of the phase's call that allocated it


class HeapSite(NamedTuple):
    """A stack that allocated in a phase."""

    phase: int
    kind: int
    caller: int  # address in the code that called the allocator; 0 for Python's allocators
    live: float
    at_peak: float
    allocated: float
    samples: int
    frames: tuple[tuple[int, int], ...]  # code and instruction, innermost first
    native: tuple[int, ...]  # return addresses in C and C++ code inside the innermost Python frame, innermost first


class HeapPhase(NamedTuple):
    """The totals of a phase."""

    path: PhasePath
    allocated: int  # exact
    sampled: float  # the same, as its samples estimate it
    sampled_variance: float
    peak: float
    samples: int
    calls: int


class HeapLibrary(NamedTuple):
    """A library that was loaded."""

    path: str
    start: int
    end: int
    build: int  # the first four bytes of its build ID, as a number in the machine's byte order; 0 if it has none


class _Code(NamedTuple):
    name: str
    file: str
    first_line: int
    table: bytes


class HeapFile:
    """The tables of one process.

    Args:
        data: the contents of the file.
        name: of the file, for messages.

    Attributes:
        pid: of the process.
        closed: whether the sampler was stopped in order.
        full: whether the file could not grow, so that samples were dropped.
        dropped: how many were.
        foreign: slots of libraries that led to another tool and were left alone.
        first_mean: bytes between two samples at the start.
        mean: bytes between two samples at the end.
        phases: by number.
        sites: by number.
        blocks: the live samples.

    Raises:
        CaptureError: if it is no file of this kind, or of another version.
    """

    def __init__(self, data: bytes, name: str) -> None:
        if len(data) < _HEADER.size or not data.startswith(_MAGIC):
            raise CaptureError(f"{name} is not a file of the sampled heap")
        (_, version, order, self.pid, closed, used, full, _, self.dropped, _, _, self.foreign, self.mean, first, *_) = (
            _HEADER.unpack_from(data)
        )
        if order != 0x01020304 or version != _VERSION:
            raise CaptureError(f"{name} is of another version or machine; read it with the version that wrote it")
        if self.mean < 1:  # bytes from one sample to the next
            raise CaptureError(f"{name} has a damaged header")
        self.closed, self.full, self.first_mean = bool(closed), bool(full), first
        self.phases: dict[int, HeapPhase] = {}
        self.sites: dict[int, HeapSite] = {}
        self.blocks: list[HeapBlock] = []
        self._codes: dict[int, _Code] = {}
        self._lines: dict[tuple[int, int], int] = {}
        self._libraries: dict[int, HeapLibrary] = {}
        self._paths: dict[int, PhasePath] = {}
        self._peaks: dict[int, int] = {}  # number of the latest peak, by phase
        self._rising: dict[int, bool] = {}  # whether the phase is at its peak
        self._read(data, min(used, len(data)))
        self._starts = sorted(self._libraries)

    def stack(self, site: HeapSite) -> list[PythonFrame]:
        """Return the Python frames of a site, innermost first."""
        frames = []
        for code_number, instruction in site.frames:
            code = self._codes.get(code_number)
            if code is not None:
                frames.append((code.name, code.file, self._line(code_number, code, instruction)))
        return frames

    def library_at(self, address: int) -> HeapLibrary | None:
        """Return the library that an address was in, None if it is not known."""
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        library = self._libraries[self._starts[at]]
        return library if address < library.end else None

    def _line(self, number: int, code: _Code, instruction: int) -> int:
        key = number, instruction
        if key not in self._lines:
            self._lines[key] = line_of(code.table, code.first_line, instruction)
        return self._lines[key]

    def _read(self, data: bytes, end: int) -> None:
        at = (_HEADER.size + 7) & ~7
        blocks: list[tuple[int, int]] = []
        while at + _HEAD.size <= end:
            size, kind, _ = _HEAD.unpack_from(data, at)
            if size < _HEAD.size or size % 8 or at + size > end:
                break
            fixed = _FIXED.get(kind)
            if fixed is not None and size >= fixed.size:
                if kind == 5:
                    blocks.append((at + fixed.size, at + size))
                else:
                    _READ[kind](self, data[at : at + size], at // 8)
            at += size
        for start, stop in blocks:
            self._read_blocks(data[start : stop - (stop - start) % _BLOCK.size])

    def _read_code(self, entry: bytes, number: int) -> None:
        *_, first_line, _, _, name_length, file_length, table_length = _CODE.unpack_from(entry)
        text = entry[_CODE.size :]
        after = name_length + file_length
        name, file = text[:name_length].decode(errors="replace"), text[name_length:after].decode(errors="replace")
        self._codes[number] = _Code(name, file, first_line, text[after : after + table_length])

    def _read_site(self, entry: bytes, number: int) -> None:
        fields = _SITE.unpack_from(entry)
        phase, _, caller, kind, count, live, at_peak, allocated, samples, peak, native_count = fields[4:]
        together = min(count + native_count, (len(entry) - _SITE.size) // 8)
        packed = struct.unpack_from(f"={together}Q", entry, _SITE.size)
        known = self.phases.get(phase)
        if known is None:
            return
        if self._rising[phase] or peak != self._peaks[phase]:
            at_peak = live
        frames = tuple((frame >> 32, frame & 0xFFFFFFFF) for frame in packed[:count])
        native = packed[count:]
        self.sites[number] = HeapSite(phase, kind, caller, live, at_peak, allocated, samples, frames, native)

    def _read_phase(self, entry: bytes, number: int) -> None:
        fields = _PHASE.unpack_from(entry)
        parent, length, allocated, sampled, variance, _, _, peak, _, samples, edge, rising, calls, _ = fields[3:]
        name = entry[_PHASE.size : _PHASE.size + length].decode(errors="replace")
        around = self._paths.get(parent, ())
        path = (*around, name) if name and len(around) < _DEEPEST else around
        self._paths[number] = path
        self._peaks[number], self._rising[number] = edge, bool(rising)
        self.phases[number] = HeapPhase(path, allocated, sampled, variance, peak, samples, calls)

    def _read_library(self, entry: bytes, number: int) -> None:
        _, _, _, low, high, length, build = _LIBRARY.unpack_from(entry)
        path = entry[_LIBRARY.size : _LIBRARY.size + length].decode(errors="replace")
        self._libraries[low] = HeapLibrary(path, low, high, build)

    def _read_blocks(self, rows: bytes) -> None:
        for address, size, weight, variance, site, thread_id, _, kind, call, _ in _BLOCK.iter_unpack(rows):
            if address and site in self.sites and weight > 0:
                self.blocks.append(HeapBlock(address, size, weight, variance, site, thread_id, kind, call))


_FIXED = {1: _CODE, 2: _SITE, 3: _PHASE, 4: _LIBRARY, 5: _HEAD}
_READ = {
    1: HeapFile._read_code,
    2: HeapFile._read_site,
    3: HeapFile._read_phase,
    4: HeapFile._read_library,
}


def line_of(table: bytes, first_line: int, instruction: int) -> int:
    """Return the line of an instruction, by the location table of Python 3.11 and later; 0 if it has none.

    Args:
        table: `co_linetable`; Objects/locations.md in CPython's source describes it.
        first_line: `co_firstlineno`.
        instruction: its offset in bytes, such as `f_lasti`.
    """
    line, end = first_line, 0
    if instruction >= 1 << 31:  # negative: the frame had not begun
        return first_line
    for entry in _ENTRIES.findall(table):
        first = entry[0]
        form = first >> 3 & 15
        if form >= 10:
            if form < 13:
                line += form - 10
            elif form < 15:
                line += _signed(entry, 1)
        end += (first & 7) + 1
        if instruction < end * 2:
            return 0 if form == 15 else line
    return first_line


def _signed(table: bytes, at: int) -> int:
    value = shift = 0
    while at < len(table):
        value |= (table[at] & 63) << shift
        shift += 6
        if not table[at] & 64:
            break
        at += 1
    return -(value >> 1) if value & 1 else value >> 1
