"""Reading ELF headers."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from fwmemtrace.system import elf


def libraries():
    """The files of libc and of the interpreter that are mapped here."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return sorted({line.split()[-1] for line in lines if "libc.so" in line or "python3" in line})


@pytest.fixture
def broken(tmp_path):
    (tmp_path / "text").write_text("no library")
    (tmp_path / "cut").write_bytes(b"\x7fELF\x02\x01\x01")
    return tmp_path


def mapped():
    """Each data mapping of a library followed by anonymous memory: path, end in the file, size of that memory."""
    lines = [line.split(maxsplit=5) for line in Path("/proc/self/maps").read_text().splitlines()]
    for (range_, mode, offset, *_, path), behind in zip(
        (line if len(line) == 6 else [*line, ""] for line in lines), lines[1:], strict=False
    ):
        start, end = (int(address, 16) for address in range_.split("-"))
        if path.startswith("/") and mode == "rw-p" and behind[0].startswith(f"{end:x}-") and len(behind) == 5:
            yield path, int(offset, 16) + end - start, int(behind[0].partition("-")[2], 16) - end


def test_the_loader_agrees_on_zeroed_data():
    found = [(path, elf.zeroed_bytes(path, end), behind) for path, end, behind in mapped()]
    # The anonymous memory may be joined with something else, or be nothing else.
    assert all(zeroed <= behind for _, zeroed, behind in found)
    assert any("libc.so" in path and zeroed for path, zeroed, _ in found), found


def test_zeroed_data_after_a_segment_that_is_not_the_last(tmp_path):
    # As patchelf leaves a library: with a new data segment after the one that has zeroed data.
    head = b"\x7fELF\x02" + bytes(11) + struct.pack("=HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    data = struct.pack("=IIQQQQQQ", 1, 6, 0x1000, 0x1000, 0, 0x1800, 0x9000, 0x1000)
    added = struct.pack("=IIQQQQQQ", 1, 6, 0x3000, 0x20000, 0, 0x1000, 0x1000, 0x1000)
    (tmp_path / "lib.so").write_bytes(head + data + added)
    assert elf.zeroed_bytes(str(tmp_path / "lib.so"), 0x3000) == 0x7000
    assert elf.zeroed_bytes(str(tmp_path / "lib.so"), 0x4000) == 0


def test_other_files_have_no_zeroed_data(broken):
    assert elf.zeroed_bytes(str(broken / "text"), 0) == 0
    assert elf.zeroed_bytes(str(broken / "missing"), 0) == 0
    assert elf.zeroed_bytes(str(broken / "cut"), 0) == 0


def test_builds_are_identified_by_their_ids(tmp_path):
    builds = {path: elf.build_of(path) for path in libraries()}
    assert len(set(builds.values())) == len(builds) > 0
    path, build = next((path, build) for path, build in builds.items() if not build.endswith("bytes"))
    copy = tmp_path / "copy.so"
    shutil.copy(path, copy)
    assert elf.build_of(str(copy)) == build
    if shutil.which("readelf"):
        assert build in subprocess.run(["readelf", "-n", path], capture_output=True, text=True).stdout


def test_builds_without_an_id_are_identified_by_their_size(broken):
    assert elf.build_of(str(broken / "text")) == "10 bytes"
    assert elf.build_of(str(broken / "cut")) == "7 bytes"
    assert elf.build_of(str(broken / "missing")) is None
    assert elf.build_of(str(broken)) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF symbols")
def test_a_symbol_is_where_its_function_is():
    import msgspec._core

    from fwmemtrace.symbols.library import LibrarySymbols
    from fwmemtrace.system.elf_symbols import find_symbol

    path = msgspec._core.__file__
    address = find_symbol(path, b"PyInit__core")
    assert address is not None
    symbols = LibrarySymbols(path)
    assert symbols.name_at(symbols.first_address + address) == "PyInit__core"
    assert find_symbol(path, b"no_such_symbol") is None
    assert find_symbol(__file__, b"PyInit__core") is None
