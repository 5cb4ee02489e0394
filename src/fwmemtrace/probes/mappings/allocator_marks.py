"""Recognises the headers that allocators keep in their own memory.

glibc writes a block's size in front of it (`malloc_chunk`, flag IS_MMAPPED) and a `heap_info` at the start of each heap
of a thread. CPython writes a `pool_header` at the start of each pool of an arena (obmalloc.c) and a `_PyStackChunk` at
the start of the memory for a thread's Python frames (pystate.c). mimalloc 3 writes a `mi_arena_t` at the start of an
arena. The C library's thread descriptor (`struct pthread`) at the top of a stack points to itself. Layouts are those of
64-bit machines.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from ...system.proc import PAGE_SIZE

HEADER_SIZE = 48  # bytes; no header takes more
DESCRIPTOR_SIZE = 0x1000  # more than glibc's struct pthread takes
ARENA = 1 << 20  # obmalloc's ARENA_SIZE since Python 3.10
POOL = 1 << 14  # its POOL_SIZE
_POOL_HEADER = struct.Struct("=IxxxxQQQIIII")  # ref, freeblock, nextpool, prevpool, arenaindex, szidx, nextoffset, max
_SIZE_CLASSES = 32  # up to 512 bytes in steps of 16
_THREAD_HEAP = 64 << 20  # glibc's HEAP_MAX_SIZE on 64-bit machines, and the alignment of its heaps
_HEAP_INFO = struct.Struct("=QQQQ")  # ar_ptr, prev, size, mprotect_size
_CHUNK = struct.Struct("=QQ")  # prev_size, size with its flags
_IS_MMAPPED = 2
_STACK_CHUNK = struct.Struct("=QQQ")  # previous, size, top
_SMALLEST_CHUNK, _LARGEST_CHUNK = 1 << 14, 1 << 30  # DATA_STACK_CHUNK_SIZE; larger ones are that times a power of two
_MIMALLOC_ARENA = struct.Struct("=QQQQQQ")  # base and size of the memory, flags, a pointer, 0, slices
_MIMALLOC_SLICE = 1 << 16


def bytes_in_pool(header: bytes) -> int | None:
    """Return the size of the blocks in use of the obmalloc pool with this header; None if it is not one.

    The fields of the header depend on each other.
    """
    if len(header) < _POOL_HEADER.size:
        return None
    used: int
    used, _, _, _, _, size_class, next_offset, last_offset = _POOL_HEADER.unpack_from(header)
    size: int = (size_class + 1) * 16
    is_pool = (
        size_class < _SIZE_CLASSES
        and last_offset == POOL - size
        and used <= POOL // size
        and _POOL_HEADER.size <= next_offset <= POOL
        and (next_offset - _POOL_HEADER.size) % size == 0
    )
    return used * size if is_pool else None


def bytes_in_arena(arena: int, peek: Callable[[int, int], bytes]) -> int:
    """Return the size of the objects in the obmalloc arena at this address, in bytes.

    Args:
        arena: the address.
        peek: reads bytes of this process at an address.
    """
    first = -(-arena // POOL) * POOL
    pools = range(first, arena + ARENA - POOL + 1, POOL)
    return sum(bytes_in_pool(peek(pool, HEADER_SIZE)) or 0 for pool in pools)


def thread_heap_size(address: int, header: bytes) -> int:
    """Return the size of the malloc heap of a thread that starts at this address, in bytes; 0 if none does."""
    if address % _THREAD_HEAP:
        return 0
    arena, previous, size, usable = _HEAP_INFO.unpack_from(header)
    if not (0 < size <= usable <= _THREAD_HEAP) or usable % PAGE_SIZE or previous % _THREAD_HEAP:
        return 0
    first_of_its_arena = address < arena < address + 128
    return usable if (arena and previous) or first_of_its_arena else 0


def large_block_size(header: bytes) -> int:
    """Return the size of the malloc block with this header, if it has a mapping of its own; 0 if it is not one."""
    before, size = _CHUNK.unpack_from(header)
    length: int = size & ~7
    return length if not before and size & 7 == _IS_MMAPPED and length and not length % PAGE_SIZE else 0


def frame_chunk_size(header: bytes) -> int:
    """Return the size of the chunk for a thread's Python frames with this header, in bytes; 0 if it is not one."""
    previous, size, top = _STACK_CHUNK.unpack_from(header)
    is_chunk = (
        _SMALLEST_CHUNK <= size <= _LARGEST_CHUNK
        and not size & (size - 1)
        and top <= size // 8
        and not previous % PAGE_SIZE
        and previous < 1 << 47
    )
    return size if is_chunk else 0


def mimalloc_arena_size(address: int, header: bytes) -> int:
    """Return the size of the arena of mimalloc 3 that starts at this address, in bytes; 0 if none does."""
    base, size, _, _, _, slices = _MIMALLOC_ARENA.unpack_from(header)
    return size if base == address and size and slices * _MIMALLOC_SLICE == size else 0


def has_thread_descriptor(address: int, data: bytes) -> bool:
    """Return whether a thread descriptor of glibc on x86-64 is in this data: its words 0 and 2 are its own address."""
    for place in range(0, len(data) - 24, 64):
        first, _, third = struct.unpack_from("=QQQ", data, place)
        if first == third == address + place:
            return True
    return False
