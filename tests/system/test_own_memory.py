"""Reading this process's own memory and page map."""

from __future__ import annotations

import ctypes
import mmap
import struct
import sys

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fwmemtrace.system import proc
from fwmemtrace.system.own_memory import OwnMemory
from fwmemtrace.system.proc import PAGE_SIZE

PRESENT, FILE_OR_SHARED, EXCLUSIVE = 1 << 63, 1 << 61, 1 << 56
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/mem and /proc/self/pagemap")


def address_of(mapping):
    return ctypes.addressof(ctypes.c_char.from_buffer(mapping))


@linux
def test_peek_reads_what_is_there_and_nothing_elsewhere():
    text = ctypes.create_string_buffer(b"some bytes")
    with OwnMemory() as memory:
        assert memory.readable
        assert memory.peek(ctypes.addressof(text), 4) == b"some"
        assert memory.peek(0, 16) == b""
        assert memory.peek(2**70, 16) == b""
    assert memory.peek(ctypes.addressof(text), 4) == b""


@linux
def test_only_touched_pages_are_resident():
    block = mmap.mmap(-1, 8 * PAGE_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        block.madvise(mmap.MADV_NOHUGEPAGE)
    for page in (1, 2, 5):
        block[page * PAGE_SIZE] = 1
    start = address_of(block)
    with OwnMemory() as memory:
        assert memory.pages(start, start + 8 * PAGE_SIZE).present == bytes([0, 1, 1, 0, 0, 1, 0, 0])
        assert memory.residency(start, 8 * PAGE_SIZE) == (3 * PAGE_SIZE, 3 * PAGE_SIZE)
        assert memory.residency(start + PAGE_SIZE + 100, PAGE_SIZE) == (PAGE_SIZE, PAGE_SIZE)


@linux
def test_shared_pages_are_not_private():
    block = mmap.mmap(-1, 2 * PAGE_SIZE)
    block[0] = block[PAGE_SIZE] = 1
    with OwnMemory() as memory:
        assert memory.residency(address_of(block), 2 * PAGE_SIZE) == (2 * PAGE_SIZE, 0)


@given(
    entries=st.lists(
        st.sampled_from([0, PRESENT, PRESENT | EXCLUSIVE, PRESENT | FILE_OR_SHARED]), min_size=1, max_size=9
    ),
    before=st.integers(0, PAGE_SIZE - 1),
    behind=st.integers(0, PAGE_SIZE - 1),
)
def test_a_range_counts_byte_by_byte(tmp_path_factory, entries, before, behind):
    size = len(entries) * PAGE_SIZE - before - behind
    assume(size > 0)
    folder = tmp_path_factory.getbasetemp() / "proc"
    folder.mkdir(exist_ok=True)
    (folder / "pagemap").write_bytes(struct.pack(f"<{len(entries)}Q", *entries))
    bytes_of_pages = [0] * len(entries)
    for number in range(len(entries)):
        start, end = max(before, number * PAGE_SIZE), min(before + size, (number + 1) * PAGE_SIZE)
        bytes_of_pages[number] = end - start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proc, "PROC", str(folder))
        with OwnMemory() as memory:
            found = memory.residency(before, size)
            assert memory.pages(0, len(entries) * PAGE_SIZE).exclusive == bytes(
                int(entry == PRESENT | EXCLUSIVE) for entry in entries
            )
    pairs = list(zip(entries, bytes_of_pages, strict=True))
    assert found is not None
    assert found.resident == sum(size for entry, size in pairs if entry & PRESENT)
    assert found.private == sum(size for entry, size in pairs if entry & PRESENT and not entry & FILE_OR_SHARED)


def test_without_proc_nothing_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(proc, "PROC", str(tmp_path))
    with OwnMemory() as memory:
        assert not memory.readable
        assert memory.peek(id(memory), 8) == b""
        assert memory.pages(0, PAGE_SIZE) == (b"", b"")
        assert memory.residency(0, 1) is None
