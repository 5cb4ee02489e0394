"""The figures of malloc and of Python's own allocator."""

from __future__ import annotations

import gc
import subprocess
import sys

from fwmemtrace.system.allocators import AllocatorReader, parse_python_figures
from fwmemtrace.system.garbage_collector import CollectorPaused


def test_python_figures():
    text = b"149 arenas * 1048576 bytes/arena   =  156,237,824\n\n# bytes in allocated blocks        =   152,260,576\n"
    assert parse_python_figures(text) == (156_237_824, 152_260_576)
    assert parse_python_figures(b"something else") == (None, None)


def test_allocators_see_what_is_allocated_and_write_nothing(capfd):
    allocators = AllocatorReader()
    gc.collect()  # what earlier tests left in cycles must not be freed in between
    with CollectorPaused():
        before = allocators.read()
        kept = [bytearray(100_000) for _ in range(200)], [(n, str(n)) for n in range(200_000)]
        after = allocators.read()
    assert after.malloc_in_use_bytes - before.malloc_in_use_bytes > 200 * 100_000 * 0.9
    assert after.python_in_use_bytes - before.python_in_use_bytes > 200_000 * 80
    assert after.python_arena_bytes >= after.python_in_use_bytes
    del kept
    assert capfd.readouterr() == ("", "")


def test_python_does_not_say_what_is_in_use_while_tracemalloc_is_on():
    import tracemalloc

    allocators = AllocatorReader()
    assert allocators.read().python_in_use_bytes > 0
    tracemalloc.start()
    try:
        figures = allocators.read()
    finally:
        tracemalloc.stop()
    assert (figures.python_arena_bytes, figures.python_in_use_bytes) == (None, None)
    assert allocators.read().python_in_use_bytes > 0


def test_tracemalloc_s_tables_are_read_while_it_traces():
    import tracemalloc

    allocators = AllocatorReader()
    assert allocators.read().tracemalloc_bytes is None
    tracemalloc.start()
    try:
        assert allocators.read().tracemalloc_bytes > 0
    finally:
        tracemalloc.stop()


def test_tracemalloc_s_tables_are_read_where_the_interpreter_has_started_it():
    code = "from fwmemtrace.system.allocators import AllocatorReader; print(AllocatorReader().read().tracemalloc_bytes)"
    run = subprocess.run([sys.executable, "-X", "tracemalloc", "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) > 0
