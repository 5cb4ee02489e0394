"""Frames get the names that memray gives them, from the libraries of the capture alone, and each gets its library."""

from __future__ import annotations

import json
import sys

import pytest

import fwmemtrace
from fwmemtrace.capture.symbol_hook import library_and_source
from fwmemtrace.trace import capture_of

from .conftest import python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs memray as its Linux wheels are")

# numpy and lz4 come without debugging information; lz4 is a library that memray brings along.
PROGRAM = """
import ctypes, shutil
from pathlib import Path
import memray, numpy
import fwmemtrace
mapped = Path("/proc/self/maps").read_text().splitlines()
copy = shutil.copy(next(line.split()[-1] for line in mapped if "liblz4" in line), Path("libcopied.so").resolve())
with fwmemtrace.session("trace.bin", probes=["native"], native_traces=True), fwmemtrace.phase("work"):
    kept = numpy.ones(1_000_000)
    library = ctypes.CDLL(str(copy))
    for _ in range(100):
        library.LZ4_createStreamHC()
print(100 * library.LZ4_sizeofStateHC())
"""
# Prints the names that memray gives to frames, and the files it reads for that: libbacktrace keeps most of them mapped.
NAMES = """
import collections, json, os
import memray

from contextlib import nullcontext
if os.environ["OURS"]:
    from fwmemtrace.capture.symbol_hook import install, with_libraries
    assert install()
names = with_libraries() if os.environ["OURS"] == "libraries" else nullcontext()

def mappings():
    return collections.Counter(line.split(maxsplit=5)[5].strip() for line in open("/proc/self/maps") if "/" in line)

records = list(memray.FileReader("capture.bin").get_leaked_allocation_records(merge_threads=True))
before = mappings()
with names:
    stacks = sorted(record.hybrid_stack_trace() for record in records)
print(json.dumps({"stacks": stacks, "read": sorted((mappings() - before).keys())}))
"""


def output(folder, *arguments, **environ):
    """Return the standard output and error of a fresh process that exits with 0."""
    done = python(folder, *arguments, **environ)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """A folder with a trace, its capture, and a library that only its process uses."""
    folder = tmp_path_factory.mktemp("traced")
    (folder / "bytes").write_text(output(folder, "-c", PROGRAM)[0])
    (file,) = fwmemtrace.read(folder / "trace.bin").files
    with capture_of(file) as capture:
        (folder / "capture.bin").write_bytes(capture.read_bytes())
    return folder


@pytest.mark.slow
def test_the_names_are_those_of_memray_and_need_no_library_of_the_reader(traced):
    ours, plain, memrays = (
        json.loads(output(traced, "-c", NAMES, OURS=value)[0]) for value in ("libraries", "names", "")
    )
    found = [[(name, *library_and_source(file), line) for name, file, line in stack] for stack in ours["stacks"]]
    plain_frames = sorted([[name, source, line] for name, _, source, line in stack] for stack in found)
    assert plain_frames == plain["stacks"] == memrays["stacks"]
    assert ours["read"] == plain["read"] == []
    # If this fails, memray no longer does it, and most of capture/symbol_hook.py can go.
    assert any("_memray" in name for name in memrays["read"])
    libraries = {name: library for stack in found for name, library, _, _ in stack if library is not None}
    assert libraries["LZ4_createStreamHC"] == str(traced / "libcopied.so")
    assert "/numpy/" in libraries["PyArray_NewFromDescr_int"]
    assert all(path.startswith("/") for path in libraries.values())
    python_frames = [name for stack in found for name, library, source, _ in stack if source == "<string>"]
    assert "<module>" in python_frames


def report(folder):
    """Return the shown frames as (function, library), the row, the notes, and standard error."""
    printed, errors = output(folder, "-m", "fwmemtrace", "report", "trace.bin", "--format", "json")
    parsed = json.loads(printed)
    (row,) = (row for row in parsed["phases"] if row["path"] == "work")
    frames = {(frame["function"], frame.get("library")) for site in row["native"]["top"] for frame in site["stack"]}
    return frames, row["native"], parsed["trace"]["notes"], errors


@pytest.mark.slow
def test_a_library_without_debugging_information_gives_its_names(traced):
    frames, native, notes, errors = report(traced)
    assert ("LZ4_createStreamHC", "libcopied.so") in frames
    assert "numpy" in {library for _, library in frames}
    assert ("<module>", None) in frames
    assert "libcopied.so" in {site["library"] for site in native["top"]}
    assert native["by_library"]["libcopied.so"] == int((traced / "bytes").read_text())
    assert 8_000_000 <= native["by_library"]["numpy"] < 8_100_000
    assert sum(native["by_library"].values()) == native["live_bytes"]
    assert not any("libcopied" in note for note in notes)
    assert errors == ""


@pytest.mark.slow
def test_a_library_that_is_gone_gives_no_names_and_a_note(traced):
    (traced / "libcopied.so").rename(traced / "aside.so")
    try:
        frames, native, notes, errors = report(traced)
    finally:
        (traced / "aside.so").rename(traced / "libcopied.so")
    assert ("<unknown>", "libcopied.so") in frames
    assert not any(name == "LZ4_createStreamHC" for name, _ in frames)
    assert native["by_library"]["libcopied.so"] == int((traced / "bytes").read_text())
    assert any("without a symbol: " in note and "libcopied.so" in note for note in notes)
    assert errors == ""


WITHOUT = """
import json, sys
from fwmemtrace.capture import symbol_hook
symbol_hook.jump_slot = lambda path, function: None  # as where memray was linked in another way
from fwmemtrace.capture.by_phase import read_capture
summary = read_capture("capture.bin", other_builds=sys.argv[1:])
sites = [[site.library, *(frame.function for frame in site.stack)] for site in summary.rows["work",].top]
print(json.dumps({"sites": sites, "notes": summary.notes}))
"""


@pytest.mark.slow
def test_another_build_of_memray_names_frames_without_libraries(traced):
    found = json.loads(output(traced, "-c", WITHOUT)[0])
    (lz4,) = (site for site in found["sites"] if "LZ4_createStreamHC" in site)
    assert lz4[0] is None
    assert any(site[0] == "numpy" for site in found["sites"])


@pytest.mark.slow
def test_another_build_of_memray_names_no_native_frames_where_libraries_differ(traced):
    found = json.loads(output(traced, "-c", WITHOUT, "/lib/another.so")[0])
    assert all(library is None and "LZ4_createStreamHC" not in names for library, *names in found["sites"])
    assert any("another.so): there are no C and C++ frames" in note for note in found["notes"])
