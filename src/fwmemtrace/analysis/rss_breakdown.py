"""Breaks RSS down by category and owner, as it was at one reading of the mappings.

Which pages are resident comes from /proc/self/smaps; how much of an allocator's pages is in use, the allocator says.
docs/ledger.md lists the categories.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from ..records import MappingRow, MappingsReading, PoolFigures

FILE, MODEL_FILE, SHARED_MEMORY, TRACER = "file", "model file", "shared memory", "tracer"
NATIVE_HEAP, PYTHON_HEAP, ALLOCATOR_FREE = "native heap", "python heap", "allocator free"
LARGE_BLOCKS = "malloc, large blocks"  # an owner: blocks with a mapping of their own
STACKS, NAMED, COUNTER = "thread stacks", "named memory", "kernel counter"
UNEXPLAINED = "unexplained"  # not among the items, which have an owner each

Key: TypeAlias = tuple[str, str]  # category and owner
Sizes: TypeAlias = list[int]  # resident bytes; of these, private, evictable and anonymous ones
_SIZES = 4


@dataclass(slots=True)
class RssBreakdown:
    """RSS at one reading.

    Attributes:
        items: sizes by category and owner.
        unexplained: sizes of anonymous memory without a known owner.
        total_bytes: RSS by smaps: the sum of the items and what is unexplained.
        counter_bytes: RSS by the kernel's counter, at the same time.
        private_bytes: what no other process maps of `total_bytes`.
        pss_bytes: `total_bytes` with shared pages divided among the processes that map them.
        threads: of the process, those of native libraries too; 0 if not known.
        untouched_bytes: large blocks of malloc that are not resident.
        reserved_bytes: other writable mappings without an owner, as far as they are not resident.
    """

    items: dict[Key, Sizes]
    unexplained: Sizes
    total_bytes: int
    counter_bytes: int
    private_bytes: int
    pss_bytes: int
    threads: int
    untouched_bytes: int = 0
    reserved_bytes: int = 0


def break_down(reading: MappingsReading, rows: list[MappingRow], moved_bytes: int = 0) -> RssBreakdown:
    """Break a reading down.

    An allocator's memory in use is taken to be resident, as far as its resident pages suffice; the rest of these pages
    counts as free. Which pages belong to an allocator that replaces malloc is not known. As many pages as it reports
    are taken from the heap that glibc does not use, then from the memory without a name.

    Args:
        reading: the figures of the allocators and of the kernel's counter.
        rows: the mappings: its own, or those of an earlier reading that still hold.
        moved_bytes: the change of RSS since the mappings were read, if they are those of an earlier reading.
    """
    items, (malloc, python, pools, unexplained) = _by_owner(rows)
    figures = reading.allocators
    tracemalloc_bytes = figures.tracemalloc_bytes
    if figures.other is not None:
        glibc = _take(malloc, figures.malloc_in_use_bytes or 0)
        other = pools.pop(figures.other, [0] * _SIZES)
        for pages in (malloc, unexplained):
            _increase(other, _take(pages, max(0, figures.other_held_bytes - other[0])))
        _increase(malloc, glibc)
        _divide_heap(items, other, figures.other_in_use_bytes, figures.other, tracemalloc_bytes)
        tracemalloc_bytes = None  # its tables are in the other allocator's heap
    _divide_pools(items, pools, unexplained, figures.pools)
    _divide_heap(items, malloc, figures.malloc_in_use_bytes, "malloc", tracemalloc_bytes)
    _divide(
        items,
        python,
        figures.python_in_use_bytes,
        (PYTHON_HEAP, "objects in arenas"),
        (ALLOCATOR_FREE, "Python's arenas"),
    )
    _increase(unexplained, [moved_bytes, moved_bytes, 0, moved_bytes])
    total_bytes = sum(row.rss_bytes for row in rows) + moved_bytes
    large_blocks = items.get((NATIVE_HEAP, LARGE_BLOCKS), [0])[0]
    untouched = max(0, (figures.malloc_mapped_bytes or 0) - large_blocks)
    private_bytes = sum(row.private_bytes for row in rows) + moved_bytes
    pss_bytes = sum(row.pss_bytes for row in rows) + moved_bytes
    return RssBreakdown(
        items,
        unexplained,
        total_bytes,
        reading.rss_bytes,
        private_bytes,
        pss_bytes,
        reading.threads,
        untouched,
        reading.untouched_bytes,
    )


class _Pages(NamedTuple):
    """Pages of which the allocators say how much is in use, and those without a known owner."""

    malloc: Sizes
    python: Sizes
    pools: dict[str, Sizes]
    unexplained: Sizes


def _by_owner(rows: list[MappingRow]) -> tuple[dict[Key, Sizes], _Pages]:
    """Return the sizes of mappings by category and owner, and the pages that are still to be divided."""
    items: dict[Key, Sizes] = {}
    pages = _Pages([0] * _SIZES, [0] * _SIZES, {}, [0] * _SIZES)
    for row in rows:
        sizes = [row.rss_bytes, row.private_bytes, row.evictable_bytes, row.anonymous_bytes]
        match row.category, row.owner:
            case "malloc", "mapped blocks":
                add_to(items, (NATIVE_HEAP, LARGE_BLOCKS), sizes)
            case "malloc", _:
                _increase(pages.malloc, sizes)
            case "python", _:
                _increase(pages.python, sizes)
            case "pool", allocator:
                _increase(pages.pools.setdefault(allocator, [0] * _SIZES), sizes)
            case "anonymous", _:
                _increase(pages.unexplained, sizes)
            case "stack", owner:
                add_to(items, (STACKS, owner), sizes)
            case "named", owner:
                add_to(items, (NAMED, owner), sizes)
            case category, owner:
                add_to(items, (category, owner), sizes)
    return items, pages


def add_to(items: dict[Key, Sizes], key: Key, sizes: Sizes) -> None:
    """Add sizes to those of a category and owner."""
    _increase(items.setdefault(key, [0] * _SIZES), sizes)


def _divide_pools(
    items: dict[Key, Sizes], pools: dict[str, Sizes], unexplained: Sizes, figures: list[PoolFigures]
) -> None:
    """Divide the memory of libraries' own pools.

    Where nothing in its memory identifies a pool, it is taken from the memory without a name: as much as the pool had
    in use at its peak, since these allocators return pages late or never.
    """
    for pool in figures:
        pages = pools.pop(pool.allocator, None) or _take(unexplained, pool.peak_bytes)
        owner = f"{pool.owner}'s {pool.allocator}"
        _divide(items, pages, pool.in_use_bytes, (NATIVE_HEAP, owner), (ALLOCATOR_FREE, owner))
    for allocator, pages in pools.items():
        add_to(items, (NATIVE_HEAP, allocator), pages)


def _divide_heap(
    items: dict[Key, Sizes], pages: Sizes, in_use: int | None, allocator: str, tracemalloc_bytes: int | None
) -> None:
    """Divide the pages of an allocator of native blocks; tracemalloc's tables are among the blocks in use."""
    if tracemalloc_bytes:
        add_to(items, (TRACER, "tracemalloc"), _take(pages, tracemalloc_bytes))
        in_use = None if in_use is None else max(0, in_use - tracemalloc_bytes)
    _divide(items, pages, in_use, (NATIVE_HEAP, allocator), (ALLOCATOR_FREE, allocator))


def _divide(items: dict[Key, Sizes], pages: Sizes, in_use: int | None, live: Key, free: Key) -> None:
    """Divide pages into what is in use and what is free; all count as in use if that is not known."""
    if not pages[0]:
        return
    add_to(items, live, pages if in_use is None else _take(pages, in_use))
    if in_use is not None:
        add_to(items, free, pages)


def _take(pages: Sizes, size: int) -> Sizes:
    """Take up to this many resident bytes out of the pages, and of the other sizes in proportion."""
    taken = min(size, pages[0])
    part = [figure * taken // pages[0] if pages[0] else 0 for figure in pages]
    for place, share in enumerate(part):
        pages[place] -= share
    return part


def _increase(sizes: Sizes, by: Sizes) -> None:
    for place, figure in enumerate(by):
        sizes[place] += figure
