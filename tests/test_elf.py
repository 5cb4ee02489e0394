"""What is read from ELF headers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fwmemtrace import elf


def libraries():
    """Files of libc and of the interpreter, as they are mapped here."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return sorted({line.split()[-1] for line in lines if "libc.so" in line or "python3" in line})


@pytest.fixture
def broken(tmp_path):
    (tmp_path / "text").write_text("no library")
    (tmp_path / "cut").write_bytes(b"\x7fELF\x02\x01\x01")
    return tmp_path


def test_zeroed_bytes_of_real_libraries(broken):
    # readelf and the loader agree that libc has zeroed data: it does not fit the rest of its last page.
    assert any(elf.zeroed_bytes(path) > 0 for path in libraries())
    assert elf.zeroed_bytes(str(broken / "text")) == 0
    assert elf.zeroed_bytes(str(broken / "missing")) == 0
    assert elf.zeroed_bytes(str(broken / "cut")) == 0


def test_builds_are_told_by_their_ids(tmp_path):
    builds = {path: elf.build_of(path) for path in libraries()}
    assert len(set(builds.values())) == len(builds) > 0
    path, build = next((path, build) for path, build in builds.items() if not build.endswith("bytes"))
    copy = tmp_path / "copy.so"
    shutil.copy(path, copy)
    assert elf.build_of(str(copy)) == build
    if shutil.which("readelf"):
        assert build in subprocess.run(["readelf", "-n", path], capture_output=True, text=True).stdout


def test_without_an_id_the_size_tells(broken):
    assert elf.build_of(str(broken / "text")) == "10 bytes"
    assert elf.build_of(str(broken / "cut")) == "7 bytes"
    assert elf.build_of(str(broken / "missing")) is None
    assert elf.build_of(str(broken)) is None
