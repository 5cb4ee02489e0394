"""Frames are named by the capture's libraries alone, and as memray names them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace.trace import capture_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memray's wheels for other systems are built otherwise")

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
"""
# What memray names the frames, and which files it reads to do so: libbacktrace maps them, and keeps most of them so.
NAMES = """
import collections, json, os
import memray

if os.environ["KEPT"]:
    from fwmemtrace.tracefile.symbols import keep_to_capture
    assert keep_to_capture()

def mappings():
    return collections.Counter(line.split(maxsplit=5)[5].strip() for line in open("/proc/self/maps") if "/" in line)

records = list(memray.FileReader("capture.bin").get_leaked_allocation_records(merge_threads=True))
before = mappings()
stacks = sorted(str(record.hybrid_stack_trace()) for record in records)
print(json.dumps({"stacks": stacks, "read": sorted((mappings() - before).keys())}))
"""


def python(folder, *arguments, **environ):
    source = str(Path(fwmemtrace.__file__).parents[1])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": source, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """A folder with a trace, its capture, and a library of its process that nobody else uses."""
    folder = tmp_path_factory.mktemp("traced")
    python(folder, "-c", PROGRAM)
    (file,) = fwmemtrace.read(folder / "trace.bin").files
    with capture_of(file) as capture:
        (folder / "capture.bin").write_bytes(capture.read_bytes())
    return folder


def test_the_names_are_memrays_and_need_none_of_the_readers_libraries(traced):
    ours, memrays = (json.loads(python(traced, "-c", NAMES, KEPT=kept).stdout) for kept in ("yes", ""))
    assert ours["stacks"] == memrays["stacks"]
    assert any("LZ4_createStreamHC" in stack for stack in ours["stacks"])
    assert ours["read"] == []
    # Should this fail, memray has learnt it itself, and tracefile/symbols.py can go.
    assert any("_memray" in name for name in memrays["read"])


def functions(folder):
    """The functions of the shown stacks, and what the report says beside its figures."""
    done = python(folder, "-m", "fwmemtrace", "report", "trace.bin", "--format", "json")
    report = json.loads(done.stdout)
    (row,) = (row for row in report["phases"] if row["path"] == "work")
    found = {frame["function"] for site in row["native"]["top"] for frame in site["stack"]}
    return found, report["trace"]["notes"], done.stderr


def test_a_library_without_debugging_information_gives_its_names(traced):
    found, _, errors = functions(traced)
    assert "LZ4_createStreamHC" in found
    assert any("numpy" in name or name.startswith(("PyArray", "array_", "PyDataMem")) for name in found)
    assert errors == ""


def test_a_library_that_is_gone_gives_none_and_is_said(traced):
    (traced / "libcopied.so").rename(traced / "aside.so")
    try:
        found, notes, errors = functions(traced)
    finally:
        (traced / "aside.so").rename(traced / "libcopied.so")
    assert "LZ4_createStreamHC" not in found
    assert "<module>" in found
    assert any(name.startswith(("Py", "_Py", "_ctypes")) for name in found)
    assert any("without a symbol" in note for note in notes)
    assert errors == ""
