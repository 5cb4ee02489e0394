"""Dividing anonymous memory among its owners."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fwmemtrace
from fwmemtrace.probes.mappings.allocator_marks import (
    ARENA,
    POOL,
    bytes_in_pool,
    frame_chunk_size,
    mimalloc_arena_size,
)
from fwmemtrace.probes.mappings.anonymous import AnonymousMemory, apportion
from fwmemtrace.system.own_memory import PageFlags
from fwmemtrace.system.proc import PAGE_SIZE as PAGE
from fwmemtrace.system.smaps import AnonymousMapping, MappingBelow

BASE = 0x7F00_0000_0000 - 5 * PAGE  # so that arenas are not aligned to pools
GUARD = MappingBelow("---p", "", is_file=False, file_end=0)


class Memory:
    """An anonymous mapping: pages and what they contain."""

    def __init__(self, base=BASE):
        self.base = self.end = base
        self.words = {}
        self.absent = set()

    def block(self, pages):
        """A block of malloc with a mapping of its own."""
        self._put(self.end, struct.pack("=QQ", 0, pages * PAGE | 2))
        self.end += pages * PAGE

    def arena(self, size_class=3):
        """An arena of obmalloc, one pool of which is in use."""
        pool = -(-self.end // POOL) * POOL
        size = (size_class + 1) * 16
        self._put(pool, struct.pack("=IxxxxQQQIIII", 5, 0, 0, 0, 7, size_class, 48 + 10 * size, POOL - size))
        self.end += ARENA

    def nameless(self, pages):
        for page in range(pages):
            self._put(self.end + page * PAGE, b"\x13\x37" * 24)
        self.end += pages * PAGE

    def stack(self, pages):
        """A stack with glibc's thread descriptor below its top."""
        self.end += pages * PAGE
        descriptor = self.end - 0x900
        self._put(descriptor, struct.pack("=QQQ", descriptor, 0x1234, descriptor))

    def _put(self, address, data):
        self.words[address] = data

    def peek(self, address, length):
        length = max(0, min(length, self.end - address))
        data = bytearray(length)
        for start, word in self.words.items():
            for offset, byte in enumerate(word):
                if 0 <= start + offset - address < length:
                    data[start + offset - address] = byte
        return bytes(data)

    def pages(self, start, end):
        flags = bytes(int(address not in self.absent) for address in range(start, end, PAGE))
        return PageFlags(flags, flags)

    def shares(self, below=None, cuts=(), **options):
        """The resident bytes of each owner, where the kernel cuts the mapping after so many pages."""
        anonymous = AnonymousMemory(self.peek, self.pages, **options)
        edges = [self.base, *(self.base + cut * PAGE for cut in cuts), self.end]
        found = []
        for start, end in pairwise(edges):
            resident = sum(self.pages(start, end).present) * PAGE
            mapping = AnonymousMapping(start, end, "rw-p", "", resident, resident, resident, resident)
            parts = anonymous.divide(mapping, below)
            assert sum(size for _, size in parts) == resident
            found += [(piece.category, piece.owner, size) for piece, size in parts]
            below = None
        return found


def test_joined_mappings_are_divided_at_the_allocators_headers():
    memory = Memory()
    memory.block(40)
    memory.arena()
    memory.nameless(3)
    memory.arena(31)
    memory.block(1)
    assert memory.shares() == [
        ("malloc", "mapped blocks", 40 * PAGE),
        ("python", "arenas", ARENA),
        ("anonymous", "", 3 * PAGE),
        ("python", "arenas", ARENA),
        ("malloc", "mapped blocks", PAGE),
    ]


def test_a_block_continues_where_the_kernel_cut_its_mapping_in_two():
    memory = Memory()
    memory.block(4)
    memory.block(2000)
    memory.arena()
    memory.nameless(3)
    assert memory.shares(cuts=[5, 1000]) == [
        ("malloc", "mapped blocks", 5 * PAGE),
        ("malloc", "mapped blocks", 995 * PAGE),
        ("malloc", "mapped blocks", 1004 * PAGE),
        ("python", "arenas", ARENA),
        ("anonymous", "", 3 * PAGE),
    ]


@pytest.mark.parametrize("nameless", [1, 2, 3, 4, 5])
def test_arenas_after_pages_without_an_owner_start_where_they_fit(nameless):
    memory = Memory()
    memory.nameless(nameless)
    memory.arena()
    memory.arena()
    assert memory.shares() == [("anonymous", "", nameless * PAGE), *[("python", "arenas", ARENA)] * 2]


def test_only_resident_pages_count():
    memory = Memory()
    memory.block(10)
    memory.arena()
    memory.absent = {BASE + page * PAGE for page in range(3, 7)}
    assert memory.shares()[0] == ("malloc", "mapped blocks", 6 * PAGE)


@pytest.mark.parametrize("window", [1, 3, 1000])
def test_pages_are_counted_window_by_window(monkeypatch, window):
    monkeypatch.setattr("fwmemtrace.probes.mappings.anonymous._WINDOW", window * PAGE)
    memory = Memory()
    memory.nameless(7)
    memory.block(10)
    memory.nameless(2)
    memory.absent = {BASE + page * PAGE for page in (2, 3, 8, 16)}
    assert memory.shares() == [
        ("anonymous", "", 5 * PAGE),
        ("malloc", "mapped blocks", 8 * PAGE),
        ("anonymous", "", 2 * PAGE),
    ]


def test_a_thread_s_heap_is_malloc_s():
    memory = Memory(64 << 20)
    memory._put(memory.end, struct.pack("=QQQQ", memory.end + 0x30, 0, 33 * PAGE, 33 * PAGE))
    memory.end += 33 * PAGE
    assert memory.shares() == [("malloc", "heaps of threads", 33 * PAGE)]


def test_a_stack_lies_above_a_guard_page():
    memory = Memory()
    memory.stack(16)
    assert memory.shares(GUARD) == [("stack", "threads", 16 * PAGE)]
    assert memory.shares(None) == [("anonymous", "", 16 * PAGE)]


def test_a_thread_known_by_its_identifier_needs_no_descriptor():
    memory = Memory()
    memory.nameless(16)
    assert memory.shares(GUARD, threads=[memory.end - 0x900]) == [("stack", "threads", 16 * PAGE)]
    assert memory.shares(GUARD) == [("anonymous", "", 16 * PAGE)]


def test_a_stack_joined_with_memory_above_ends_at_its_size():
    memory = Memory()
    memory.stack(2048)
    memory.block(4)
    assert memory.shares(GUARD, stack_size=2048 * PAGE) == [
        ("stack", "threads", 2048 * PAGE),
        ("malloc", "mapped blocks", 4 * PAGE),
    ]


def test_a_library_s_zeroed_data_is_the_library_s(monkeypatch):
    monkeypatch.setattr(
        "fwmemtrace.probes.mappings.anonymous.zeroed_bytes", lambda path, end: 2 * PAGE if end == 7 * PAGE else 0
    )
    memory = Memory()
    memory.nameless(5)
    below = MappingBelow("rw-p", "/v/site-packages/torch/lib/libtorch.so", is_file=True, file_end=7 * PAGE)
    assert memory.shares(below) == [("file", "torch", 2 * PAGE), ("anonymous", "", 3 * PAGE)]


def test_an_arena_of_mimalloc_is_the_pool_of_a_library():
    memory = Memory()
    memory.block(2)
    start, size = memory.end, 1 << 20
    memory._put(start, struct.pack("=QQQQQQ", start, size, 0x0400000000010100, BASE, 0, size >> 16))
    memory.end += size
    memory.block(3)
    assert memory.shares() == [
        ("malloc", "mapped blocks", 2 * PAGE),
        ("pool", "mimalloc", size),
        ("malloc", "mapped blocks", 3 * PAGE),
    ]


def test_another_address_at_the_start_is_not_an_arena_of_mimalloc():
    assert not mimalloc_arena_size(BASE, struct.pack("=QQQQQQ", BASE + PAGE, 1 << 20, 0, 0, 0, 16))
    assert not mimalloc_arena_size(BASE, struct.pack("=QQQQQQ", BASE, 1 << 20, 0, 0, 0, 15))


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ((0, 1 << 14, 0), 1 << 14),
        ((BASE, 1 << 15, 1 << 12), 1 << 15),
        ((BASE + 8, 1 << 14, 0), 0),
        ((0, (1 << 14) + 4096, 0), 0),
        ((0, 1 << 14, 1 << 12), 0),
        ((0, 1 << 13, 0), 0),
    ],
    ids=["first", "later", "previous is no page", "size", "top", "too small"],
)
def test_a_chunk_of_python_frames(header, size):
    assert frame_chunk_size(struct.pack("=QQQ", *header)) == size


def test_a_size_beyond_the_mapping_is_not_a_block():
    memory = Memory()
    memory.block(4)
    memory.end -= PAGE
    assert memory.shares() == [("anonymous", "", 3 * PAGE)]


@pytest.mark.parametrize("content", [bytes(48), b"\xff" * 48, b"\x13\x37" * 24, struct.pack("=QQ", 3, 4096 | 2) * 3])
def test_other_content_is_not_a_pool(content):
    assert bytes_in_pool(content) is None


def test_a_range_without_headers_is_of_the_pool_whose_extent_starts_in_it():
    memory = Memory()
    memory.block(40)
    start = memory.end
    memory.nameless(30)
    memory.block(20)
    memory.nameless(5)
    pool = {start + 3 * PAGE: "a library's pool"}
    assert memory.shares(pool_at=lambda address: pool.get(address, "")) == [
        ("malloc", "mapped blocks", 40 * PAGE),
        ("pool", "a library's pool", 30 * PAGE),
        ("malloc", "mapped blocks", 20 * PAGE),
        ("anonymous", "", 5 * PAGE),
    ]


def test_the_search_in_unknown_memory_is_limited():
    memory = Memory()
    memory.end += 20_000 * PAGE
    looks = []
    anonymous = AnonymousMemory(lambda address, length: looks.append(address) or bytes(length), memory.pages)
    mapping = AnonymousMapping(memory.base, memory.end, "rw-p", "", *[20_000 * PAGE] * 4)
    assert anonymous.divide(mapping, None)[0][1] == 20_000 * PAGE
    assert len(looks) < 10_000


@given(st.integers(0, 10**9), st.lists(st.integers(0, 1000), min_size=1, max_size=20))
def test_apportioned_parts_add_up(total, weights):
    parts = apportion(total, weights)
    assert sum(parts) == total
    assert all(part >= 0 for part in parts)


def test_without_the_page_map_nothing_is_guessed():
    memory = Memory()
    memory.block(4)
    memory.arena()
    mapping = AnonymousMapping(memory.base, memory.end, "rw-p", "", *[100 * PAGE] * 4)
    (share,) = AnonymousMemory(memory.peek, lambda start, end: PageFlags(b"", b"")).divide(mapping, None)
    assert (share[0].category, share[1]) == ("anonymous", 100 * PAGE)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc/self/smaps")
def test_pools_add_up_to_what_the_allocator_says():
    program = """
import sys, threading
from fwmemtrace.probes.mappings.allocator_marks import bytes_in_arena
from fwmemtrace.probes.mappings.anonymous import AnonymousMemory
from fwmemtrace.probes.mappings.rows import rows_by_owner
from fwmemtrace.system import smaps
from fwmemtrace.system.allocators import AllocatorReader
from fwmemtrace.system.own_memory import OwnMemory

kept = [[(n,) for n in range(300_000)], [f"{n:0100}" for n in range(100_000)]]
del kept[0][::2]
with OwnMemory() as memory:
    anonymous = AnonymousMemory(memory.peek, memory.pages)
    rows_by_owner(smaps.read(), anonymous, {})
    counted = sum(bytes_in_arena(arena, memory.peek) for arena in anonymous.arenas)
print(counted, AllocatorReader().read().python_in_use_bytes)
"""
    source = str(Path(fwmemtrace.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": source}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    counted, said = map(int, done.stdout.split())
    assert said > 20_000_000
    assert abs(counted - said) < 0.02 * said
