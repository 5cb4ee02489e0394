"""Whose anonymous memory is: malloc's, the arenas of Python's own allocator, a thread's stack, or nobody's we know.

The kernel joins neighbouring anonymous mappings, so one of them may hold arenas, malloc's blocks and more, one behind
the other. What begins where is told by what the allocators keep there for themselves: glibc writes a block's size in
front of it (`malloc_chunk`, flag IS_MMAPPED) and a `heap_info` at the begin of each of its heaps, CPython a
`pool_header` at the begin of each pool of an arena, and the C library's thread descriptor at the top of a stack points
to itself. Each piece tells its own length, so one walk names them all. What none of these marks is on stays without a
name: it is never guessed.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ...system.elf import zeroed_bytes
from ...system.smaps import Below, Mapping
from .owners import FILE, owner_of

MALLOC = "malloc"
PYTHON = "python"
STACK = "stack"
NAMED = "named"
NAMELESS = "anonymous"

HEAP, HEAPS, BLOCKS = "heap", "heaps of threads", "mapped blocks"
ARENAS = "arenas"

PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
ARENA = 1 << 20  # obmalloc's ARENA_SIZE since Python 3.10
POOL = 1 << 14  # its POOL_SIZE
_POOL_HEADER = struct.Struct("=IxxxxQQQIIII")  # ref, freeblock, nextpool, prevpool, arenaindex, szidx, nextoffset, max
_SIZE_CLASSES = 32  # up to 512 bytes in steps of 16
_MALLOC_HEAP = 64 << 20  # glibc's HEAP_MAX_SIZE on 64-bit machines; its heaps are aligned to it
_HEAP_INFO = struct.Struct("=QQQQ")  # ar_ptr, prev, size, mprotect_size
_CHUNK = struct.Struct("=QQ")  # prev_size, size with its flags
_IS_MMAPPED = 2
_HEAD_SIZE = 48  # what all of these fit in
_DESCRIPTOR = 0x1000  # more than glibc's struct pthread takes
_WINDOW = 65536 * PAGE  # of pages that are asked for at a time: for a heap of gigabytes the answer would take megabytes
_LOOKS_AT_NAMELESS_PAGES = 4096  # in one reading: a microsecond each


class Pages(NamedTuple):
    """Which pages of a range are resident, a byte a page, 1 for yes."""

    present: bytes
    exclusive: bytes  # in no other process's map; never the shared page of zeros


class Piece(NamedTuple):
    """A stretch of addresses with one owner."""

    start: int
    end: int
    category: str
    owner: str


class Walker:
    """Cuts anonymous mappings into pieces. One serves one reading.

    Args:
        peek: reads bytes of this process at an address; short or empty where there is nothing to read.
        pages: tells which pages from one address to another are resident; nothing where that cannot be told.
        threads: addresses inside the stacks of threads, such as their identifiers (`pthread_self`).
        stack_size: of a new thread, in bytes.
    """

    def __init__(
        self,
        peek: Callable[[int, int], bytes],
        pages: Callable[[int, int], Pages],
        threads: Iterable[int] = (),
        stack_size: int = 8 << 20,
    ) -> None:
        self._peek = peek
        self._pages = pages
        self._threads = sorted(threads)
        self._stack_size = stack_size
        self._looks = _LOOKS_AT_NAMELESS_PAGES
        self._block_end = 0  # of the latest block that goes on beyond the mapping that it begins in

    def shares(self, mapping: Mapping, below: Below | None) -> list[tuple[Piece, int]]:
        """The pieces of a mapping, each with its resident bytes; they add up to the mapping's.

        Args:
            mapping: an anonymous one; they are to be given in the order of their addresses.
            below: what lies right below it.
        """
        pieces = list(self._pieces(mapping, below))
        if len({(piece.category, piece.owner) for piece in pieces}) == 1:
            return [(pieces[0], mapping.rss)]
        if mapping.rss == mapping.end - mapping.start:
            return [(piece, piece.end - piece.start) for piece in pieces]
        present, exclusive = [], []
        for piece in pieces:
            counts = self._resident(piece.start, piece.end)
            if counts is None:  # nobody tells, and it is not to be guessed
                return [(Piece(mapping.start, mapping.end, NAMELESS, ""), mapping.rss)]
            present.append(counts[0])
            exclusive.append(counts[1])
        sizes = exclusive if sum(exclusive) == mapping.rss else present
        if sum(sizes) != mapping.rss:
            # Pages came or went between the two readings, or some are the shared page of zeros, which counts nowhere.
            sizes = split(mapping.rss, sizes)
        return list(zip(pieces, sizes, strict=True))

    def _resident(self, start: int, end: int) -> tuple[int, int] | None:
        """Bytes that are present, and those of them in no other process's map; None where that cannot be told."""
        present = exclusive = 0
        for window in range(start, end, _WINDOW):
            pages = self._pages(window, min(end, window + _WINDOW))
            if not pages.present:
                return None
            present += pages.present.count(1) * PAGE
            exclusive += pages.exclusive.count(1) * PAGE
        return present, exclusive

    def _pieces(self, mapping: Mapping, below: Below | None) -> Iterator[Piece]:
        at = mapping.start
        if at < self._block_end:
            at = min(mapping.end, self._block_end)
            yield Piece(mapping.start, at, MALLOC, BLOCKS)
        elif below is not None:
            for piece in self._of_neighbour(mapping, below):
                yield piece
                at = piece.end
        category = ""
        while at < mapping.end:
            found = self._recognise(at, mapping.end)
            if found is not None and found.category == PYTHON != category:
                start = self._begin_of_arena(at, mapping.end)
                found = found if start == at else None
            else:
                start = at
            if found is None:
                found = Piece(at, start if start > at else self._next_mark(at, mapping), NAMELESS, "")
            if found.owner == BLOCKS and found.end == mapping.end:
                self._block_end = found.start + _mapped_block(self._peek(found.start, _HEAD_SIZE))
            yield found
            at, category = found.end, found.category

    def _of_neighbour(self, mapping: Mapping, below: Below) -> Iterator[Piece]:
        if below.is_file and below.permissions.startswith("rw"):
            end = min(mapping.end, mapping.start + zeroed_bytes(below.path, below.file_end))
            if end > mapping.start:
                yield Piece(mapping.start, end, *owner_of(below.path))
        elif below.permissions.startswith("---") and not below.is_file:  # a guard page
            end = self._stack_end(mapping.start, mapping.end)
            if end:
                yield Piece(mapping.start, end, STACK, "threads")

    def _next_mark(self, start: int, mapping: Mapping) -> int:
        """Where the next piece with a name begins: only resident pages can hold a mark."""
        for window in range(start + PAGE, mapping.end, _WINDOW):
            present = self._pages(window, min(mapping.end, window + _WINDOW)).present
            page = present.find(1)
            while page >= 0:
                if not self._looks:
                    return mapping.end
                self._looks -= 1
                at = window + page * PAGE
                piece = self._recognise(at, mapping.end)
                if piece is not None:
                    return self._begin_of_arena(at, mapping.end) if piece.category == PYTHON else at
                page = present.find(1, page + 1)
        return mapping.end

    def _begin_of_arena(self, at: int, end: int) -> int:
        """Where an arena begins whose first pool is known: not every arena begins with a pool.

        Behind pages without a name it may begin a few pages before that pool: where, the end of the last of the arenas
        that follow tells, since something else with a mark is there, or nothing more.
        """
        for start in range(at, -(-at // POOL) * POOL + PAGE, PAGE):
            piece = self._recognise(start, end)
            while piece is not None and piece.category == PYTHON and piece.end < end:
                piece = self._recognise(piece.end, end)
            if piece is not None:
                return start
        return at

    def _recognise(self, at: int, end: int) -> Piece | None:
        head = self._peek(at, _HEAD_SIZE)
        if len(head) < _HEAD_SIZE:
            return None
        length = _malloc_heap(at, head)
        if length:
            return Piece(at, min(end, at + length), MALLOC, HEAPS)
        length = _mapped_block(head)
        # The kernel cuts a mapping in two where a part of it is advised to be of huge pages, as numpy does from the
        # second page of a large array on.
        if length and (at + length <= end or self._peek(at + length - 1, 1)):
            return Piece(at, min(end, at + length), MALLOC, BLOCKS)
        if at + ARENA <= end:
            pool = -(-at // POOL) * POOL
            if is_pool(head if pool == at else self._peek(pool, _HEAD_SIZE)):
                return Piece(at, at + ARENA, PYTHON, ARENAS)
        return None

    def _stack_end(self, start: int, end: int) -> int:
        """Where the stack that begins here ends; 0 if it is none."""
        # What lies above a stack may have been joined with it; the guard page is part of its size or beside it.
        tops = sorted({end, min(end, start + self._stack_size), min(end, start + self._stack_size - PAGE)})
        for thread in self._threads:
            if start <= thread < end:
                return next(top for top in tops if thread < top)
        return next((top for top in tops if self._is_stack_top(top)), 0)

    def _is_stack_top(self, top: int) -> bool:
        """Whether a thread descriptor of glibc on x86-64 is below: its first and third word are its own address."""
        base = top - _DESCRIPTOR
        words = self._peek(base, _DESCRIPTOR)
        if len(words) < _DESCRIPTOR:
            return False
        for place in range(0, _DESCRIPTOR - 24, 64):
            first, _, third = struct.unpack_from("=QQQ", words, place)
            if first == third == base + place:
                return True
        return False


def is_pool(head: bytes) -> bool:
    """Whether these bytes are the header of one of obmalloc's pools, whose fields depend on each other."""
    if len(head) < _POOL_HEADER.size:
        return False
    used, _, _, _, _, size_class, next_offset, last_offset = _POOL_HEADER.unpack_from(head)
    size = (size_class + 1) * 16
    return bool(
        size_class < _SIZE_CLASSES
        and last_offset == POOL - size
        and used <= POOL // size
        and _POOL_HEADER.size <= next_offset <= POOL
        and (next_offset - _POOL_HEADER.size) % size == 0
    )


def _malloc_heap(at: int, head: bytes) -> int:
    """The length of the heap of a malloc arena of threads that begins here; 0 if none does."""
    if at % _MALLOC_HEAP:
        return 0
    arena, previous, size, usable = _HEAP_INFO.unpack_from(head)
    if not (0 < size <= usable <= _MALLOC_HEAP) or usable % PAGE or previous % _MALLOC_HEAP:
        return 0
    first_of_its_arena = at < arena < at + 128
    return usable if (arena and previous) or first_of_its_arena else 0


def _mapped_block(head: bytes) -> int:
    """The length of the block of malloc with a mapping of its own that begins here; 0 if none does."""
    before, size = _CHUNK.unpack_from(head)
    length: int = size & ~7
    return length if not before and size & 7 == _IS_MMAPPED and length and not length % PAGE else 0


def split(total: int, weights: list[int]) -> list[int]:
    """Divide a number by weights into whole parts that add up to it; by equal weights where all are zero.

    >>> split(10, [1, 1, 1])
    [4, 3, 3]
    """
    whole = sum(weights)
    if not whole:
        weights, whole = [1] * len(weights), len(weights)
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(parts)), key=lambda number: -(total * weights[number] % whole))
    for number in by_remainder[: total - sum(parts)]:
        parts[number] += 1
    return parts


def category_of_special(path: str) -> tuple[str, str] | None:
    """Category and owner of what the kernel itself names; None for files."""
    if path == "[heap]":
        return MALLOC, HEAP
    if path.startswith("[stack"):
        return STACK, "main thread"
    if path.startswith("[anon:"):
        return NAMED, path[6:-1]
    if path.startswith("["):
        return FILE, path
    return None
