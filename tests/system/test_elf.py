"""Reading ELF headers."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def library_with_a_slot(read_only=0):
    """A library whose only jump slot, at 0x5010, is for its function "work" at 0x4321."""
    parts = {
        "dynamic": struct.pack("=qQqQqQqQqQ", 5, 0x1000, 6, 0x1020, 23, 0x1050, 2, 24, 0, 0),
        "strings": b"\0other\0work\0".ljust(0x20, b"\0"),
        "symbols": bytes(24) + struct.pack("=IBBHQQ", 7, 0x12, 0, 1, 0x4321, 8),
        "slots": struct.pack("=QQq", 0x5010, 1 << 32 | 7, 0),
    }
    segments = [(1, 4, 0x200, 0x1000, 0, 0x68, 0x68, 0x1000), (2, 6, 0x100, 0x6000, 0, 80, 80, 8)]
    segments.append((0x6474E552, 4, 0, 0x5000, 0, 0, read_only, 1))
    head = b"\x7fELF\x02" + bytes(11)
    head += struct.pack("=HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    head += b"".join(struct.pack("=IIQQQQQQ", *segment) for segment in segments)
    return (
        head.ljust(0x100, b"\0")
        + parts["dynamic"].ljust(0x100, b"\0")
        + parts["strings"]
        + parts["symbols"]
        + parts["slots"]
    )


def test_where_a_library_calls_its_own_function(tmp_path):
    library = tmp_path / "lib.so"
    library.write_bytes(library_with_a_slot())
    assert elf.jump_slot(str(library), "work") == (0x5010, 0x4321)
    assert elf.jump_slot(str(library), "other") is None
    assert elf.jump_slot(str(library), "wor") is None


def test_a_slot_that_the_loader_makes_read_only_does_not_count(tmp_path):
    library = tmp_path / "lib.so"
    library.write_bytes(library_with_a_slot(read_only=0x10))
    assert elf.jump_slot(str(library), "work") == (0x5010, 0x4321)
    library.write_bytes(library_with_a_slot(read_only=0x18))
    assert elf.jump_slot(str(library), "work") is None


def test_other_files_have_no_slots(broken):
    (broken / "empty").touch()
    for name in ("text", "missing", "cut", "empty", "."):
        assert elf.jump_slot(str(broken / name), "work") is None


@given(damage=st.dictionaries(st.integers(0, 0x268), st.integers(0, 255), max_size=12), length=st.integers(0, 0x268))
def test_a_damaged_library_raises_no_error(tmp_path_factory, damage, length):
    contents = bytearray(library_with_a_slot())
    for place, byte in damage.items():
        contents[place % len(contents)] = byte
    library = tmp_path_factory.getbasetemp() / "damaged.so"
    library.write_bytes(contents[: length or None])
    found = elf.jump_slot(str(library), "work")
    assert found is None or found[1]
    elf.zeroed_bytes(str(library), 0x3000)
    elf.build_of(str(library))


@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF symbols")
def test_a_symbol_is_where_its_function_is():
    import msgspec._core

    from fwmemtrace.system.elf_symbols import FunctionNames, find_symbol

    path = msgspec._core.__file__
    address = find_symbol(path, b"PyInit__core")
    assert address is not None
    assert FunctionNames(path).name_at(address) == "PyInit__core"
    assert find_symbol(path, b"no_such_symbol") is None
    assert find_symbol(__file__, b"PyInit__core") is None
