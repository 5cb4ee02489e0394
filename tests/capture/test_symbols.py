"""Frames get the names that memray gives them, from the libraries of the capture alone, and each gets its library."""

from __future__ import annotations

import json
import sys

import pytest

import fwmemtrace
from fwmemtrace.trace import capture_of

from .conftest import NEEDS_CORE, python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads ELF libraries")

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
# Prints all frames as our reader and as memray names them, and the files that ours has mapped.
NAMES = """
import json
from pathlib import Path
import memray
from fwmemtrace.capture.capture_file import CaptureFile

def mapped():
    return {line.split(maxsplit=5)[5].strip() for line in open("/proc/self/maps") if "/" in line}

reader = memray.FileReader("capture.bin")
records = list(reader.get_leaked_allocation_records(merge_threads=True))
keys = sorted({(each.stack_id, each.native_stack_id, each.native_segment_generation) for each in records})
lens = records[0]
before = mapped()
with CaptureFile(Path("capture.bin")) as file:
    ours = [file.hybrid_stack(key) for key in keys]
    named = [file.native_stack(key, 16) for key in keys]
read = mapped() - before
theirs = []
for key in keys:
    lens.__init__((0, 0, 0, 6, key[0], 1, *key[1:]))
    theirs.append(lens.hybrid_stack_trace())
print(json.dumps({"ours": ours, "named": named, "theirs": theirs, "read": sorted(read)}))
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
@NEEDS_CORE
def test_the_names_are_those_of_memray_and_need_no_library_of_the_reader(traced):
    found = json.loads(output(traced, "-c", NAMES)[0])
    unknown = ("<unknown>", "")
    ours = [[(name, source, line) for name, source, line, _ in stack] for stack in found["ours"]]
    theirs = [[(name, source.replace(*unknown), line) for name, source, line in stack] for stack in found["theirs"]]
    assert len(ours) == len(theirs) > 10
    aliases = 0
    for stack, other in zip(ours, theirs, strict=True):
        assert len(stack) == len(other)
        aliases += sum(frame != same for frame, same in zip(stack, other, strict=True))
    assert aliases <= sum(map(len, ours)) // 10  # functions with several names, of which none is right
    assert not any("_memray" in path for path in found["read"])
    libraries = {name: library for stack in found["ours"] for name, _, _, library in stack if library is not None}
    assert libraries["LZ4_createStreamHC"] == str(traced / "libcopied.so")
    assert "/numpy/" in libraries["PyArray_NewFromDescr_int"]
    python_frames = [name for stack in found["ours"] for name, source, _, _ in stack if source == "<string>"]
    assert "<module>" in python_frames
    outermost = {frame[0] for stack in found["named"] for frame in stack}
    assert "LZ4_createStreamHC" in outermost
    assert all(not source and not line for stack in found["named"] for _, source, line, _ in stack)


def report(folder):
    """Return the shown frames as (function, library), the row, the notes, and standard error."""
    printed, errors = output(folder, "-m", "fwmemtrace", "report", "trace.bin", "--format", "json")
    parsed = json.loads(printed)
    (row,) = (row for row in parsed["phases"] if row["path"] == "work")
    frames = {(frame["function"], frame.get("library")) for site in row["native"]["top"] for frame in site["stack"]}
    return frames, row["native"], parsed["trace"]["notes"], errors


@pytest.mark.slow
@NEEDS_CORE
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
@NEEDS_CORE
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


OTHERS = """
import json, sys
from fwmemtrace.capture.by_phase import read_capture
summary = read_capture("capture.bin", other_builds=sys.argv[1:])
sites = [[site.library, *(frame.function for frame in site.stack)] for site in summary.rows["work",].top]
print(json.dumps({"sites": sites, "notes": summary.notes}))
"""


@pytest.mark.slow
@NEEDS_CORE
def test_a_library_of_another_build_gives_no_names(traced):
    found = json.loads(output(traced, "-c", OTHERS, str(traced / "libcopied.so"))[0])
    assert not any("LZ4_createStreamHC" in site for site in found["sites"])
    assert any(library == "libcopied.so" for library, *_ in found["sites"])
    assert any(site[0] == "numpy" for site in found["sites"])


@pytest.mark.slow
def test_without_the_core_frames_have_names_and_no_libraries(traced):
    found = json.loads(output(traced, "-c", OTHERS, FWMEMTRACE_CORE="0")[0])
    (lz4,) = (site for site in found["sites"] if "LZ4_createStreamHC" in site)
    assert lz4[0] is None
    assert any(site[0] == "numpy" for site in found["sites"])  # by the prefixes of its symbols


@pytest.mark.slow
def test_without_the_core_there_are_no_native_frames_where_libraries_differ(traced):
    found = json.loads(output(traced, "-c", OTHERS, "/lib/another.so", FWMEMTRACE_CORE="0")[0])
    assert all(library is None and "LZ4_createStreamHC" not in names for library, *names in found["sites"])
    assert any("another.so): there are no C and C++ frames" in note for note in found["notes"])
