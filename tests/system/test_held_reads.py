"""Reads that hold the interpreter's lock, by the core, by ctypes, or not at all where there is neither."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fwmemtrace import core
from fwmemtrace.system import held_reads, proc
from fwmemtrace.system.held_reads import HeldReads, read_at_once

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="this system has no /proc")


@pytest.fixture(params=["core", "ctypes", "neither"])
def calls(request, monkeypatch):
    """The functions that the code under test gets."""
    found = None
    if request.param == "core":
        if core.load()[0] is None:
            pytest.skip("the compiled core is not built, or switched off")
        held_reads._calls.cache_clear()
        found = held_reads._calls()
    elif request.param == "ctypes":
        found = held_reads._calls_of_ctypes()
    monkeypatch.setattr(held_reads, "_calls", lambda: found)
    return found


def test_a_file_is_read_to_its_end(calls, tmp_path):
    for size in (0, 1, 16 * 1024, 16 * 1024 + 1, 100_000):
        content = os.urandom(size)
        (tmp_path / "file").write_bytes(content)
        assert read_at_once(str(tmp_path / "file")) == content


def test_nothing_stays_open(calls, tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        read_at_once(str(tmp_path / "file"))
        with pytest.raises(OSError, match=r"read|directory"):
            read_at_once(str(tmp_path))
    assert len(os.listdir("/proc/self/fd")) < before + 50  # other threads of the tests may open some


@pytest.mark.parametrize("name", ["missing", "f\udcff"])
def test_a_file_that_is_not_there(calls, tmp_path, name):
    with pytest.raises(OSError, match=r"opened|No such file"):
        read_at_once(str(tmp_path / name))
    with pytest.raises(OSError, match=r"opened|No such file"):
        HeldReads().read("no such file")


def test_kept_files_are_read_again_from_their_start(calls, tmp_path, monkeypatch):
    monkeypatch.setattr(proc, "PROC", str(tmp_path))
    file = tmp_path / "figure"
    file.write_bytes(b"1 2 3")
    files = HeldReads()
    try:
        assert files.read("figure") == b"1 2 3"
        file.write_bytes(b"4 5")
        assert files.read("figure", 2) == b"4 "
        number = files.number("figure")
        os.close(number)  # as a program that closes all descriptors
        assert files.read("figure") == b"4 5"
    finally:
        files.close()


@pytest.mark.skipif(core.load()[0] is None, reason="the compiled core is not built, or switched off")
def test_what_the_core_is_asked_wrongly():
    compiled = core.load()[0]
    with pytest.raises(ValueError, match="at most"):
        compiled.held_read(0, 1 << 20, 0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        compiled.held_read(-1, 1, 0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        compiled.held_close(-1)
    with pytest.raises(ValueError, match="null"):
        compiled.held_open("a\0b")
    with pytest.raises(TypeError):
        compiled.crc32("text")


def test_checksums_are_those_of_zlib():
    import zlib

    from fwmemtrace.tracefile.checksum import crc32

    for data in (b"", b"a", b"12345678", Path(__file__).read_bytes()):
        assert crc32(data) == zlib.crc32(data)
