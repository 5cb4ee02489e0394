"""Divides anonymous memory among its owners: malloc, Python's own allocator, the stacks of threads.

The kernel joins neighbouring anonymous mappings, so one of them may hold arenas, blocks of malloc and more, one after
the other. The headers that the allocators keep in their memory tell what starts where, and how long it is, so one walk
from header to header names all of it. What has no header stays without an owner: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from ...system.elf import zeroed_bytes
from ...system.mapped_paths import ANONYMOUS
from ...system.own_memory import PageFlags
from ...system.proc import PAGE_SIZE
from ...system.smaps import AnonymousMapping, MappingBelow
from .allocator_marks import (
    ARENA,
    DESCRIPTOR_SIZE,
    HEADER_SIZE,
    POOL,
    bytes_in_pool,
    frame_chunk_size,
    has_thread_descriptor,
    large_block_size,
    mimalloc_arena_size,
    thread_heap_size,
)
from .owners import (
    ARENAS,
    FRAMES,
    LARGE_BLOCKS,
    MALLOC,
    MIMALLOC,
    PYTHON,
    STACK,
    THREAD_HEAPS,
    THREADS,
    owner_of,
)
from .owners import POOL as LIBRARY_POOL

_WINDOW = 65536 * PAGE_SIZE  # read at a time: for a heap of gigabytes the page map would take megabytes
_HUGE_PAGE = 2 << 20
_PAGES_ASKED = 256  # of a range without headers, for the pool that they belong to
_PAGES_SEARCHED = 4096  # pages without an owner that are searched for headers in one reading, a microsecond each


class OwnedRange(NamedTuple):
    """A range of addresses with one owner."""

    start: int
    end: int
    category: str
    owner: str


class AnonymousMemory:
    """Divides the anonymous mappings of one reading of smaps.

    Args:
        peek: reads bytes of this process at an address; returns fewer, or none, where nothing is mapped.
        pages: returns which pages between two addresses are resident; empty flags where that cannot be read.
        threads: addresses inside the stacks of threads, such as their identifiers (`pthread_self`).
        stack_size: the size of a new thread's stack, in bytes.
        pool_at: names the pool of a library in which an address is, "" for none; see `find_pool_lookup`.

    Attributes:
        arenas: addresses of the arenas of Python's allocator in the mappings so far.
    """

    def __init__(
        self,
        peek: Callable[[int, int], bytes],
        pages: Callable[[int, int], PageFlags],
        threads: Iterable[int] = (),
        stack_size: int = 8 << 20,
        pool_at: Callable[[int], str] | None = None,
    ) -> None:
        self._pool_at = pool_at
        self._peek = peek
        self._pages = pages
        self._threads = sorted(threads)
        self._stack_size = stack_size
        self._searches_left = _PAGES_SEARCHED
        self.arenas: list[int] = []
        self._block_end = 0  # of the latest large block that extends beyond the mapping in which it starts

    def divide(self, mapping: AnonymousMapping, below: MappingBelow | None) -> list[tuple[OwnedRange, int]]:
        """Divide a mapping among its owners.

        Args:
            mapping: the mapping; mappings have to be passed in the order of their addresses.
            below: the mapping right below it, if any.

        Returns:
            Its ranges, each with its resident bytes, which add up to the mapping's.
        """
        if not mapping.rss:  # there is no header in it, and a look at its pages would make them resident
            start = min(mapping.end, max(mapping.start, self._block_end))
            return [(OwnedRange(start, mapping.end, ANONYMOUS, ""), 0)]
        ranges = list(self._ranges(mapping, below))
        self.arenas += [each.start for each in ranges if each.category == PYTHON]
        if len({(each.category, each.owner) for each in ranges}) == 1:
            return [(ranges[0], mapping.rss)]
        if mapping.rss == mapping.end - mapping.start:
            return [(each, each.end - each.start) for each in ranges]
        present, exclusive = [], []
        for each in ranges:
            counts = self._resident(each.start, each.end)
            if counts is None:
                return [(OwnedRange(mapping.start, mapping.end, ANONYMOUS, ""), mapping.rss)]
            present.append(counts[0])
            exclusive.append(counts[1])
        sizes = exclusive if sum(exclusive) == mapping.rss else present
        if sum(sizes) != mapping.rss:
            # Pages came or went between the two readings, or some are the shared page of zeros, which RSS leaves out.
            sizes = apportion(mapping.rss, sizes)
        return list(zip(ranges, sizes, strict=True))

    def _resident(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the resident bytes of a range, and those that no other process maps; None if they cannot be read."""
        present = exclusive = 0
        for window in range(start, end, _WINDOW):
            pages = self._pages(window, min(end, window + _WINDOW))
            if not pages.present:
                return None
            present += pages.present.count(1) * PAGE_SIZE
            exclusive += pages.exclusive.count(1) * PAGE_SIZE
        return present, exclusive

    def _ranges(self, mapping: AnonymousMapping, below: MappingBelow | None) -> Iterator[OwnedRange]:
        at = mapping.start
        if at < self._block_end:
            at = min(mapping.end, self._block_end)
            yield OwnedRange(mapping.start, at, MALLOC, LARGE_BLOCKS)
        elif below is not None:
            for each in self._owned_by_neighbour(mapping, below):
                yield each
                at = each.end
        category = ""
        while at < mapping.end:
            start = at
            found = self._recognise(at, mapping.end)
            if found is not None and found.category == PYTHON != category:
                start = self._start_of_arena(at, mapping.end)
                found = found if start == at else None
            if found is None:
                found_end = start if start > at else self._next_header(at, mapping)
                found = OwnedRange(at, found_end, *self._unmarked_owner(at, found_end))
            if found.owner == LARGE_BLOCKS and found.end == mapping.end:
                self._block_end = found.start + large_block_size(self._peek(found.start, HEADER_SIZE))
            yield found
            at, category = found.end, found.category

    def _owned_by_neighbour(self, mapping: AnonymousMapping, below: MappingBelow) -> Iterator[OwnedRange]:
        """Yield the range at the start that belongs to the mapping below: a library's zeroed data, a guarded stack."""
        if below.is_file and below.permissions.startswith("rw"):
            end = min(mapping.end, mapping.start + zeroed_bytes(below.path, below.file_end))
            if end > mapping.start:
                yield OwnedRange(mapping.start, end, *owner_of(below.path))
        elif below.permissions.startswith("---") and not below.is_file:  # a guard page
            end = self._stack_end(mapping.start, mapping.end)
            if end:
                yield OwnedRange(mapping.start, end, STACK, THREADS)

    def _next_header(self, start: int, mapping: AnonymousMapping) -> int:
        """Return where the next range with an owner starts: only resident pages can hold a header."""
        for window in range(start + PAGE_SIZE, mapping.end, _WINDOW):
            present = self._pages(window, min(mapping.end, window + _WINDOW)).present
            page = present.find(1)
            while page >= 0:
                if not self._searches_left:
                    return mapping.end
                self._searches_left -= 1
                at = window + page * PAGE_SIZE
                found = self._recognise(at, mapping.end)
                if found is not None:
                    return self._start_of_arena(at, mapping.end) if found.category == PYTHON else at
                page = present.find(1, page + 1)
        return mapping.end

    def _start_of_arena(self, at: int, end: int) -> int:
        """Return where the arena starts whose first pool was found; not every arena starts with a pool.

        After pages without an owner, an arena may start a few pages before its first pool. The arenas that follow tell
        where: after the last one, something else with a header comes, or the mapping ends.
        """
        for start in range(at, -(-at // POOL) * POOL + PAGE_SIZE, PAGE_SIZE):
            found = self._recognise(start, end)
            while found is not None and found.category == PYTHON and found.end < end:
                found = self._recognise(found.end, end)
            if found is not None:
                return start
        return at

    def _recognise(self, at: int, end: int) -> OwnedRange | None:
        header = self._peek(at, HEADER_SIZE)
        if len(header) < HEADER_SIZE:
            return None
        size = thread_heap_size(at, header)
        if size:
            return OwnedRange(at, min(end, at + size), MALLOC, THREAD_HEAPS)
        size = large_block_size(header)
        # The kernel cuts a mapping in two where a part of it is advised to use huge pages, as numpy does from the
        # second page of a large array on.
        if size and (at + size <= end or self._peek(at + size - 1, 1)):
            return OwnedRange(at, min(end, at + size), MALLOC, LARGE_BLOCKS)
        size = mimalloc_arena_size(at, header)
        if size:
            return OwnedRange(at, min(end, at + size), LIBRARY_POOL, MIMALLOC)
        size = frame_chunk_size(header)
        if size and at + size <= end:
            return OwnedRange(at, at + size, STACK, FRAMES)
        if at + ARENA <= end:
            pool = -(-at // POOL) * POOL
            if bytes_in_pool(header if pool == at else self._peek(pool, HEADER_SIZE)) is not None:
                return OwnedRange(at, at + ARENA, PYTHON, ARENAS)
        return None

    def _unmarked_owner(self, start: int, end: int) -> tuple[str, str]:
        """Return category and owner of a range without headers: a library's pool, if an extent of it starts there."""
        pool_at = self._pool_at
        if pool_at is not None:
            first = range(start, min(end, start + _PAGES_ASKED * PAGE_SIZE), PAGE_SIZE)
            further = range(-(-start // _HUGE_PAGE) * _HUGE_PAGE, end, _HUGE_PAGE)[:_PAGES_ASKED]
            for address in chain(first, further):
                pool = pool_at(address)
                if pool:
                    return LIBRARY_POOL, pool
        return ANONYMOUS, ""

    def _stack_end(self, start: int, end: int) -> int:
        """Return where the stack that starts here ends; 0 if none does."""
        # What lies above a stack may be joined with it, and the guard page is part of its size or next to it.
        tops = sorted({end, min(end, start + self._stack_size), min(end, start + self._stack_size - PAGE_SIZE)})
        for thread in self._threads:
            if start <= thread < end:
                return next(top for top in tops if thread < top)
        return next((top for top in tops if self._is_stack_top(top)), 0)

    def _is_stack_top(self, top: int) -> bool:
        base = top - DESCRIPTOR_SIZE
        data = self._peek(base, DESCRIPTOR_SIZE)
        return len(data) == DESCRIPTOR_SIZE and has_thread_descriptor(base, data)


def apportion(total: int, weights: list[int]) -> list[int]:
    """Divide a number in proportion to weights, into whole parts that add up to it; equally where all weights are zero.

    >>> apportion(10, [1, 1, 1])
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
