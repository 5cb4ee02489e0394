"""Lines and inlined functions are those that addr2line finds, in one library or in several."""

from __future__ import annotations

import shutil
import subprocess
import sys

import memray
import pytest

from fwmemtrace import core
from fwmemtrace.capture.compiled_records import parser_for
from fwmemtrace.capture.debug_lines import DebugLines

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(core.load()[0] is None, reason="the compiled core cannot be used"),
    pytest.mark.skipif(
        not (shutil.which("cc") and shutil.which("addr2line") and shutil.which("nm")),
        reason="needs a compiler and binutils",
    ),
]
SOURCE = """
static inline __attribute__((always_inline)) int inner(volatile int *at) {
    *at += 3;
    return *at;
}
static inline __attribute__((always_inline)) int middle(volatile int *at) {
    return inner(at) * 2;
}
int NAME(volatile int *at) {
    int first = middle(at);
    return first + middle(at);
}
"""


def addresses_of(path, name):
    listed = subprocess.run(["nm", "-S", path], check=True, capture_output=True, text=True, timeout=60).stdout
    start, size = next(line.split()[:2] for line in listed.splitlines() if line.endswith(f" T {name}"))
    return range(int(start, 16), int(start, 16) + int(size, 16))


def by_addr2line(path, address):
    command = ["addr2line", "-i", "-f", "-e", path, hex(address)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()
    places = [place.split(" (")[0].rpartition(":") for place in lines[1::2]]
    return [(name, int(line)) for name, (_, _, line) in zip(lines[::2], places, strict=True)]


def test_lines_are_those_of_addr2line(tmp_path):
    program = f"import memray\nwith memray.Tracker({str(tmp_path / 'capture.bin')!r}, native_traces=True): bytes(99999)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    parser = parser_for(tmp_path / "capture.bin")
    places = []
    for name in ("one", "two"):
        (tmp_path / f"{name}.c").write_text(SOURCE.replace("NAME", name))
        path = str(tmp_path / f"{name}.so")
        command = ["cc", "-g", "-O2", "-shared", "-fPIC", "-o", path, str(tmp_path / f"{name}.c")]
        subprocess.run(command, check=True, timeout=60)
        places += [(path, address) for address in addresses_of(path, name)][::3]
    memray.set_log_level(40)
    lines = DebugLines(parser.header(), places)
    inlined = 0
    for path, address in places:
        found = lines.frames_at(path, address)
        assert [(name, line) for name, _, line in found] == by_addr2line(path, address)
        assert all(source.startswith(str(tmp_path)) for _, source, _ in found)
        inlined += len(found) > 2
    assert inlined > 2
    assert lines.frames_at(places[0][0], 1) == []
    assert lines.frames_at("/another.so", places[0][1]) == []
