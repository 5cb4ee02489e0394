"""Which mapping is a file, shared memory or a device: one rule, and every part of the package follows it."""

from __future__ import annotations

import pytest

from fwmemtrace.probes.mappings.owners import owner_of
from fwmemtrace.probes.native.maps_watch import read_mappings
from fwmemtrace.system import proc
from fwmemtrace.system.backing import BackingMap
from fwmemtrace.system.mapped_paths import ANONYMOUS, DEVICE, FILE, KERNEL_NAMED, SHARED_MEMORY, kind_of

PATHS = {
    "/srv/models/weights.gguf": FILE,
    "/srv/with blank/data (deleted)": FILE,
    "/var/dev/shm/data": FILE,
    "/dev/shm/psm_1": SHARED_MEMORY,
    "/memfd:cache (deleted)": SHARED_MEMORY,
    "/SYSV00000000 (deleted)": SHARED_MEMORY,
    "/dev/zero (deleted)": SHARED_MEMORY,
    "[anon_shmem:pool]": SHARED_MEMORY,
    "/dev/hugepages/pool": SHARED_MEMORY,
    "/anon_hugepage (deleted)": SHARED_MEMORY,
    "/dev/nvidia0": DEVICE,
    "/dev/dri/renderD128": DEVICE,
    "/dmabuf:": DEVICE,
    "anon_inode:i915.gem": DEVICE,
    "[heap]": KERNEL_NAMED,
    "[anon:jemalloc]": KERNEL_NAMED,
    "[vdso]": KERNEL_NAMED,
    "": ANONYMOUS,
}
BACKING = {FILE: "file", SHARED_MEMORY: "shared", DEVICE: "shared", KERNEL_NAMED: "private", ANONYMOUS: "private"}
START, END = 0x7F0000000000, 0x7F0000100000


def line(path):
    return f"{START:x}-{END:x} rw-s 00000000 00:01 7          {path}".rstrip() + "\n"


@pytest.mark.parametrize(("path", "kind"), PATHS.items())
def test_every_part_of_the_package_agrees(path, kind, tmp_path, monkeypatch):
    assert kind_of(path) == kind
    (tmp_path / "maps").write_text(line(path))
    monkeypatch.setattr(proc, "PROC", str(tmp_path))
    assert BackingMap().backing_at(START + 1) == BACKING[kind]
    assert bool(read_mappings(line(path).encode())) == (kind == FILE)
    if kind in (SHARED_MEMORY, DEVICE):
        assert owner_of(path) == (kind, path.removesuffix(" (deleted)"))
    elif path:
        assert owner_of(path)[0] not in (SHARED_MEMORY, DEVICE)


def test_an_address_outside_of_a_mapping_is_private(tmp_path, monkeypatch):
    (tmp_path / "maps").write_text(line("/srv/data"))
    monkeypatch.setattr(proc, "PROC", str(tmp_path))
    backings = BackingMap()
    assert [backings.backing_at(address) for address in (START - 1, START, END - 1, END)] == [
        "private",
        "file",
        "file",
        "private",
    ]
