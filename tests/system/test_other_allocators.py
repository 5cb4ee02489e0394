"""The ledger of programs whose malloc is jemalloc's, tcmalloc's or mimalloc's."""

from __future__ import annotations

import ctypes.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace.system.other_allocators import find_other_allocator

SOURCE = Path(fwmemtrace.__file__).parents[1]
MB = 10**6
LIBRARIES = {"jemalloc": ["jemalloc"], "tcmalloc": ["tcmalloc_minimal", "tcmalloc"], "mimalloc": ["mimalloc"]}
PACKAGES = {"jemalloc": "libjemalloc2", "tcmalloc": "libtcmalloc-minimal4", "mimalloc": "libmimalloc2.0"}
PROGRAM = """
import fwmemtrace
from fwmemtrace import phase
with fwmemtrace.session("trace.bin", probes=["mappings"], interval=0):
    with phase("fill"):
        kept = [bytearray(b"x" * size) for size in range(90_000, 110_000, 20)]
    with phase("drop"):
        del kept[::2]
"""


def test_glibc_s_malloc_is_not_another_allocator():
    assert find_other_allocator() is None


@pytest.mark.slow
@pytest.mark.parametrize("allocator", LIBRARIES)
def test_its_memory_has_its_name(tmp_path, allocator):
    library = next(filter(None, map(ctypes.util.find_library, LIBRARIES[allocator])), None)
    if library is None:
        pytest.skip(f"needs Debian's package {PACKAGES[allocator]}")
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "LD_PRELOAD": library}
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment, check=True)
    ledgers = {row.path: row for row in fwmemtrace.read(tmp_path / "trace.bin").ledger()}
    fill = {(item.category, item.owner): item.bytes for item in ledgers["fill"].items}
    assert 98 * MB < fill["native heap", allocator] < 115 * MB
    assert abs(ledgers["fill"].unexplained_bytes) < 3 * MB
    dropped = {(item.category, item.owner): item.bytes for item in ledgers["drop"].items}
    if allocator != "mimalloc":  # which does not say how much is in use
        assert -57 * MB < dropped["native heap", allocator] < -43 * MB
    assert abs(ledgers["drop"].unexplained_bytes) < 3 * MB
