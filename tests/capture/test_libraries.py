"""Names of native frames are left out where their library is another build than in the traced process."""

from __future__ import annotations

import ctypes
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.probes.native.mapped_libraries import MappedLibraries
from fwmemtrace.records import MappedLibrary
from fwmemtrace.system.elf import build_of

from .conftest import NEEDS_CORE

memray = pytest.importorskip("memray")


def loaded(name):
    """Return the path of a library that this process has loaded."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return next(line.split()[-1] for line in lines if name in line)


def test_each_library_is_recorded_once():
    libc = loaded("libc.so")
    text = (
        f"1000-2000 r--p 00000000 08:01 7 {libc}\n"
        f"2000-3000 r-xp 00001000 08:01 7 {libc}\n"
        "3000-4000 r-xp 00000000 08:01 8 /lib/gone.so (deleted)\n"
        "4000-5000 r-xp 00000000 00:00 0 [vdso]\n"
        "5000-6000 rwxp 00000000 00:00 0\n"
    )
    recorded = []
    libraries = MappedLibraries(recorded.append)
    libraries.add(text.encode())
    libraries.add(text.encode())
    assert recorded == [MappedLibrary(libc, build_of(libc)), MappedLibrary("/lib/gone.so", None)]


@contextmanager
def replaced(library, contents):
    """Put another file, or none, at the path of a mapped library, without changing the file that is mapped."""
    aside = library.with_suffix(".aside")
    library.rename(aside)
    try:
        if contents is not None:
            library.write_bytes(contents)
        yield
    finally:
        aside.replace(library)


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """A trace with native frames, and a library that only its process uses."""
    return trace_with_library(tmp_path_factory.mktemp("traced"))


def trace_with_library(folder):
    library = folder / "libcopied.so"
    shutil.copy(loaded("liblz4"), library)
    with fwmemtrace.session(folder / "trace.bin", probes=["native"], native_traces=True):
        with phase("load"):
            ctypes.CDLL(str(library)).LZ4_createStreamHC()
            kept = bytearray(5_000_000)
    del kept
    return folder / "trace.bin", library


def frames(path):
    """Return the function and library of the frames that are shown."""
    row = next(row for row in fwmemtrace.read(path).phases if row.path == "load")
    return {(frame.function, frame.library) for site in row.native.top for frame in site.stack}


def functions(path):
    return {function for function, _ in frames(path)}


def builds(path):
    """Return the builds in the trace, by the paths of the libraries."""
    return {record.path: record.build for record in fwmemtrace.read(path) if isinstance(record, MappedLibrary)}


def notes(path):
    return [note for note in fwmemtrace.read(path).summary().trace.notes if "other builds" in note]


def test_the_trace_has_the_builds(traced):
    path, library = traced
    found = builds(path)
    assert found[str(library)] == build_of(str(library))
    assert any("_memray" in name for name in found)


@NEEDS_CORE
def test_the_same_builds_give_names(traced):
    path, _ = traced
    assert notes(path) == []
    assert any(name.startswith("PyByteArray") for name in functions(path))
    assert ("LZ4_createStreamHC", "libcopied.so") in frames(path)


@pytest.mark.slow
@NEEDS_CORE
def test_another_build_gives_no_names(traced):
    path, library = traced
    with replaced(library, b"another build"):
        (note,) = notes(path)
        assert "libcopied.so): their functions have no names" in note
        assert "1 of" in note
        assert ("<unknown>", "libcopied.so") in frames(path)
        assert not any(library == "libcopied.so" for name, library in frames(path) if name != "<unknown>")
        assert any(name.startswith("PyByteArray") for name in functions(path))


def test_with_another_interpreter_there_are_no_native_frames(traced, monkeypatch):
    """memray puts Python's frames in their places by the interpreter's names."""
    path, _ = traced
    interpreters = [each for each in builds(path) if Path(each).name.startswith(("python", "libpython"))]
    monkeypatch.setattr(
        "fwmemtrace.trace.capture.build_of", lambda each: "another" if each in interpreters else build_of(each)
    )
    (note,) = notes(path)
    assert f"{len(interpreters)} of the traced" in note  # all of them are called CPython
    assert "CPython): there are no C and C++ frames" in note
    assert not any(name.startswith("PyByteArray") for name in functions(path))
    assert {library for _, library in frames(path)} == {None}
    assert functions(path)  # Python's are right all the same


def test_a_library_that_is_gone_leaves_other_names(traced):
    path, library = traced
    with replaced(library, None):
        assert notes(path) == []
        assert any(name.startswith("PyByteArray") for name in functions(path))


@pytest.mark.slow
@NEEDS_CORE
def test_a_library_that_is_back_has_its_names_again(tmp_path):
    """Whoever read the trace before keeps no symbols: those of an older build would be wrong."""
    path, library = trace_with_library(tmp_path)
    with replaced(library, None):
        assert ("<unknown>", "libcopied.so") in frames(path)
    assert ("LZ4_createStreamHC", "libcopied.so") in frames(path)


def test_without_native_frames_no_library_is_recorded(tmp_path):
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]):
        pass
    assert not any(isinstance(record, MappedLibrary) for record in fwmemtrace.read(tmp_path / "trace.bin"))
