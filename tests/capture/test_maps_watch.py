"""Which lines of /proc/<pid>/maps get a marker in the capture."""

from __future__ import annotations

import pytest

from fwmemtrace.capture.markers import MappedRange
from fwmemtrace.probes.native.maps_watch import read_mappings

MIB = 2**20


def line(start, size, permissions="rw-p", path="", inode=None):
    inode = (1 if path else 0) if inode is None else inode
    return f"{start:x}-{start + size:x} {permissions} 00000000 00:00 {inode}   {path}".rstrip() + "\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (line(4096, 8192, "r--p", "/data/model.safetensors"), [(4096, 12288, "/data/model.safetensors")]),
        (line(4096, 8192, "r--s", "/data/with blank"), [(4096, 12288, "/data/with blank")]),
        (line(4096, 8192, "rw-p"), []),
        (line(4096, 8192, "rw-p", "[heap]", inode=0), []),
        (line(4096, 8192, "r-xp", "/usr/lib/libc.so.6"), []),
        (line(4096, 8192, "r--p", "/usr/lib/libc.so.6"), []),
        (line(4096, 8192, "r--p", "/usr/lib/_x.cpython-311-x86_64-linux-gnu.so"), []),
        (line(4096, 8192, "r--p", "/data/notes.sorted"), [(4096, 12288, "/data/notes.sorted")]),
        (line(4096, 8192, "rw-s", "/dev/zero (deleted)"), []),
        (line(4096, 8192, "rw-s", "/memfd:x (deleted)"), []),
        (line(4096, 8192, "rw-s", "/dev/shm/psm_1"), []),
        (line(64 * MIB, 2 * MIB, "---p"), [(64 * MIB, 66 * MIB, None)]),
        (line(64 * MIB, 2 * MIB, "---s", "/dev/zero (deleted)"), [(64 * MIB, 66 * MIB, None)]),
        (line(64 * MIB, 4096, "---p"), []),
        (line(64 * MIB, 2 * MIB, "---p", "/usr/lib/libc.so.6"), []),
        # An arena of glibc's, and the same place without one.
        (line(0, 4096) + line(64 * MIB, MIB) + line(65 * MIB, 63 * MIB, "---p"), []),
        (line(0, 4096) + line(65 * MIB, 63 * MIB, "---p"), [(65 * MIB, 128 * MIB, None)]),
    ],
)
def test_only_files_and_reserved_address_space_get_a_marker(text, found):
    assert read_mappings(text.encode()) == {MappedRange(*each) for each in found}
