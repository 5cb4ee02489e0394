"""The rows of all phases add up to memray's totals to the byte, whatever a program does with memory."""

from __future__ import annotations

import ctypes
import mmap
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fwmemtrace
from fwmemtrace import phase

from .conftest import arenas, asked, summary_of

pytest.importorskip("memray")
from memray._test import MemoryAllocator, MmapAllocator

LIBC = ctypes.CDLL(None)
LIBC.malloc.restype = LIBC.realloc.restype = LIBC.calloc.restype = ctypes.c_void_p
LIBC.free.argtypes = [ctypes.c_void_p]
LIBC.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
PAGE = mmap.PAGESIZE

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.sampled_from(["a", "b", "c"])),
        st.tuples(st.just("leave")),
        st.tuples(st.sampled_from(["malloc", "calloc", "posix_memalign", "valloc"]), st.integers(1, 300_000)),
        st.tuples(st.just("realloc"), st.integers(1, 300_000)),
        st.tuples(st.just("free"), st.integers(0, 10)),
        st.tuples(st.just("mmap"), st.integers(1, 20)),
        st.tuples(st.just("munmap"), st.integers(0, 5), st.integers(0, 10), st.integers(1, 10)),
    ),
    max_size=40,
)


def perform(steps):
    """Run the program of one thread: nested phases, and blocks of every allocator, freed in any of them."""
    blocks, mappings = [], []
    with ExitStack() as stack:
        entered = []
        for kind, *arguments in steps:
            if kind == "enter":
                entered.append(phase(arguments[0]))
                entered[-1].__enter__()
            elif kind == "leave" and entered:
                entered.pop().__exit__(None, None, None)
            elif kind in ("malloc", "calloc", "posix_memalign", "valloc"):
                block = MemoryAllocator()
                getattr(block, kind)(arguments[0])
                blocks.append(block)
            elif kind == "realloc":
                address = LIBC.realloc(LIBC.malloc(100), arguments[0])
                stack.callback(LIBC.free, address)
            elif kind == "free" and blocks:
                blocks.pop(arguments[0] % len(blocks)).free()
            elif kind == "mmap":
                mappings.append([MmapAllocator(arguments[0] * PAGE), arguments[0]])
            elif kind == "munmap" and mappings:
                which, start, length = arguments
                mapping, pages = mappings[which % len(mappings)]
                length = min(length, pages - start)
                if length > 0:
                    mapping.munmap(length * PAGE, start * PAGE)
        while entered:
            entered.pop().__exit__(None, None, None)
        for block in blocks[::2]:
            block.free()


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, min_size=1, max_size=3), st.booleans())
def test_random_programs_in_several_threads(tmp_path, programs, python_allocators):
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(path, probes=["native"], python_allocators=python_allocators, interval=0):
        threads = [threading.Thread(target=perform, args=(steps,)) for steps in programs[1:]]
        for thread in threads:
            thread.start()
        perform(programs[0])
        for thread in threads:
            thread.join()
    summary_of(path)


def test_a_mapping_is_freed_piece_by_piece_in_other_phases(tmp_path):
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(path, probes=["native"]):
        with phase("map"):
            mapping = MmapAllocator(10 * PAGE)
        with phase("hole"):
            mapping.munmap(2 * PAGE, 4 * PAGE)
        with phase("ends"):
            mapping.munmap(PAGE, 0)
            mapping.munmap(PAGE, 9 * PAGE)
    rows = summary_of(path).rows
    # A table or arena of the interpreter may have grown in the same phase, which is another site.
    (site,) = (site for site in rows["map"].top if site.allocated_bytes == 10 * PAGE)
    assert site.live_bytes == 6 * PAGE
    assert rows["map"].held_bytes >= 10 * PAGE
    assert set(rows["map"].freed_later) == {"hole", "ends"}
    assert all(2 * PAGE <= size < 3 * PAGE for size in rows["map"].freed_later.values())
    assert rows["hole"].freed_bytes >= 2 * PAGE


def test_sixteen_threads_with_phases_of_their_own(tmp_path):
    path = tmp_path / "trace.bin"
    barrier = threading.Barrier(16)
    kept = []

    def work(number):
        barrier.wait()
        for _ in range(20):
            with phase(f"worker {number}"):
                block = MemoryAllocator()
                block.malloc(100_000 + number)
                kept.append(block)
                with phase("inner"):
                    temporary = MemoryAllocator()
                    temporary.malloc(50_000 + number)
                    temporary.free()

    with fwmemtrace.session(path, probes=["native"]), ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    rows = summary_of(path).rows
    for number in range(16):
        assert asked(rows[f"worker {number}"], 100_000 + number) == 20 * (100_000 + number)
        assert asked(rows[f"worker {number}/inner"], 50_000 + number) == 20 * (50_000 + number)
        assert rows[f"worker {number}"].including_inner.live_bytes >= 20 * (100_000 + number)
    for block in kept:
        block.free()


def test_a_peak_belongs_to_its_phase_and_those_around_it(tmp_path):
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(path, probes=["native"]):
        with phase("outer"):
            with phase("burst"):
                block = MemoryAllocator()
                block.malloc(200_000_000)
                block.free()
        with phase("next"):
            pass
    rows = summary_of(path).rows
    assert 200_000_000 <= rows["outer/burst"].peak_bytes < 200_100_000 + arenas(rows)
    assert rows["outer/burst"].at_peak[0].at_peak_bytes == 200_000_000
    assert rows["outer"].peak_bytes < 100_000 + arenas(rows)
    assert 200_000_000 <= rows["outer"].including_inner.peak_bytes < 200_100_000 + arenas(rows)
    assert rows["next"].peak_bytes < 100_000 + arenas(rows)
    assert rows["outer/burst"].live_bytes < 10_000 + arenas(rows)
    assert rows["outer/burst"].temporary_bytes >= 200_000_000


def test_mapped_files_are_no_heap_and_anonymous_mappings_are(tmp_path):
    file = tmp_path / "weights"
    file.write_bytes(b"x" * (40 * PAGE))
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(path, probes=["native"]), file.open("rb") as handle:
        with phase("file"):
            kept = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        with phase("memory"):
            memory = mmap.mmap(-1, 30 * PAGE + 5)
    summary = summary_of(path)
    rows = summary.rows
    assert rows["file"].file_backed_bytes == 40 * PAGE
    assert rows["file"].live_bytes < 10 * PAGE + arenas(rows)
    assert rows["file"].held_bytes < 10 * PAGE + arenas(rows)
    assert rows["file"].peak_bytes < 10 * PAGE + arenas(rows)
    assert rows["file"].allocated_bytes >= 40 * PAGE
    assert rows["memory"].file_backed_bytes == 0
    assert rows["memory"].live_bytes >= 30 * PAGE + 5
    assert summary.mapped_files == {str(file): 40 * PAGE}
    kept.close()
    memory.close()


def test_reserved_address_space_is_shown_separately(tmp_path):
    libc = ctypes.CDLL(None)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(path, probes=["native"]), phase("reserve"):
        mapping = MmapAllocator(2048 * PAGE)
        assert libc.mprotect(mapping.address, 2048 * PAGE, 0) == 0
    row = summary_of(path).rows["reserve"]
    assert row.reserved_bytes == 2048 * PAGE
    assert row.live_bytes >= 2048 * PAGE
    mapping.munmap(2048 * PAGE)


@pytest.mark.guard
def test_a_tensor_belongs_to_the_phase_that_made_it(run, tmp_path):
    run(
        """
import fwmemtrace, torch
from fwmemtrace import phase
# Element by element, in one thread, and not for the first time: what a matrix product keeps besides its result depends
# on the processor, and a first sum loads code.
torch.set_num_threads(1)
torch.ones(500, 500) + torch.ones(500, 500)
with fwmemtrace.session("trace.bin", probes=["native"]):
    with phase("make"):
        kept = torch.ones(1_000_000)
        with phase("temporary"):
            torch.ones(3_000_000)
    with phase("add"):
        total = torch.ones(500, 500) + torch.ones(500, 500)
"""
    )
    rows = summary_of(tmp_path / "trace.bin").rows
    assert 4_000_000 <= rows["make"].live_bytes < 4_100_000 + arenas(rows)
    assert 12_000_000 <= rows["make/temporary"].peak_bytes < 12_100_000 + arenas(rows)
    assert rows["make/temporary"].live_bytes < 10_000 + arenas(rows)
    assert 3_000_000 <= rows["add"].allocated_bytes < 3_100_000 + arenas(rows)
    assert 1_000_000 <= rows["add"].live_bytes < 1_100_000 + arenas(rows)
