"""C and C++ frames of the sampled heap: through functions without frame pointers, and by the names of another build."""

from __future__ import annotations

import shutil
import subprocess

import pytest

import fwmemtrace
from fwmemtrace.capture.frames import UNKNOWN
from fwmemtrace.symbols.library import LibrarySymbols

pytestmark = pytest.mark.slow

_SOURCE = """
#include <alloca.h>
#include <stdlib.h>
#include <string.h>
#define APART __attribute__((noinline))

APART char *innermost(size_t size) {
    char *block = malloc(size);
    memset(block, 1, size);
    return block;
}
APART char *with_an_aligned_stack(size_t size) {
    volatile char room[128] __attribute__((aligned(64)));
    room[0] = 1;
    char *block = innermost(size);
    room[1] = *block;
    return block;
}
APART char *with_a_stack_of_any_size(size_t size) {
    volatile char *room = alloca(size % 1000 + 16);
    room[0] = 1;
    char *block = with_an_aligned_stack(size);
    room[1] = *block;
    return block;
}
char *outermost(size_t size) {
    char *block = with_a_stack_of_any_size(size);
    *block = 2;
    return block;
}
"""
_FUNCTIONS = ["innermost", "with_an_aligned_stack", "with_a_stack_of_any_size", "outermost"]
_PROGRAM = """
import ctypes, os, sys, threading
import fwmemtrace
allocate = ctypes.CDLL(os.path.abspath("libplanted.so")).outermost
allocate.argtypes, allocate.restype = (ctypes.c_size_t,), ctypes.c_void_p
def work():
    for _ in range(40):
        allocate(100_000)
with fwmemtrace.session("trace.bin", probes=["heap"], sample_bytes="4KiB", interval=0, native_traces=True):
    with fwmemtrace.phase("work"):
        work()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
"""


@pytest.fixture
def planted(tmp_path):
    """Builds the library; another number makes another build."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")

    def build(number: int) -> None:
        source = tmp_path / "planted.c"
        source.write_text(f"{_SOURCE}int number = {number};\n")
        options = ["-O2", "-fomit-frame-pointer", "-shared", "-fPIC", "-Wl,--build-id"]
        library = tmp_path / "libplanted.so"
        subprocess.run([compiler, *options, str(source), "-o", str(library)], check=True)

    build(1)
    return build


def test_c_frames_are_named_inside_python_frames(run_program, planted, tmp_path):
    run_program(_PROGRAM)
    heap = fwmemtrace.read(tmp_path / "trace.bin")["work"].heap
    largest = heap.top[:2]
    assert sum(site.live_bytes for site in largest) >= 0.9 * 8_000_000
    for site in largest:
        functions = [frame.function for frame in site.stack]
        assert functions[:4] == _FUNCTIONS
        assert functions.index("work") >= 4
        assert site.library == "libplanted.so"
        assert {frame.library for frame in site.stack[:4]} == {"libplanted.so"}
    assert heap.by_library["libplanted.so"] >= 0.9 * 8_000_000


def test_functions_of_another_build_have_no_names(run_program, planted, tmp_path):
    run_program(_PROGRAM)
    planted(2)
    site = fwmemtrace.read(tmp_path / "trace.bin")["work"].heap.top[0]
    assert (site.stack[0].function, site.stack[0].library) == (UNKNOWN, "libplanted.so")
    (tmp_path / "libplanted.so").unlink()
    site = fwmemtrace.read(tmp_path / "trace.bin").processes[0].report(top=3).phases[0].heap.top[0]
    assert (site.stack[0].function, site.stack[0].library) == (UNKNOWN, "libplanted.so")


def test_a_library_that_replaces_another_one_is_unwound_by_its_own_tables(run_program, planted, tmp_path):
    """The loader may put it where the first one was; frames through it go on to Python's."""
    run_program("""
        import _ctypes, ctypes, os, shutil, fwmemtrace
        def load(number):
            path = os.path.abspath(f"lib{number}.so")
            shutil.copy("libplanted.so", path)
            library = ctypes.CDLL(path)
            library.outermost.argtypes, library.outermost.restype = (ctypes.c_size_t,), ctypes.c_void_p
            return library
        with fwmemtrace.session("trace.bin", probes=["heap"], sample_bytes=256, interval=0, native_traces=True):
            with fwmemtrace.phase("work"):
                for number in range(20):
                    library = load(number)
                    library.outermost(100_000)
                    _ctypes.dlclose(library._handle)
    """)
    heap = fwmemtrace.read(tmp_path / "trace.bin")["work"].heap
    stacks = [site.stack for site in heap.top if site.live_bytes >= 100_000]
    assert stacks
    assert all(stack[-1].function == "<module>" for stack in stacks)


def test_names_of_a_damaged_library_are_none(planted, tmp_path):
    library = tmp_path / "libplanted.so"
    contents = library.read_bytes()
    assert LibrarySymbols(str(library)).name_at(0) is None
    for length in range(0, len(contents), 97):
        library.write_bytes(contents[:length])
        names = LibrarySymbols(str(library))
        assert names.name_at(0x1120) is None or isinstance(names.name_at(0x1120), str)
    assert LibrarySymbols(str(tmp_path / "absent.so")).name_at(0) is None
