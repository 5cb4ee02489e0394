"""Paths of libraries may come from a trace, and their contents from anywhere."""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwmemtrace.system import elf


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs on this system")
def test_a_pipe_is_not_opened(tmp_path):
    pipe = str(tmp_path / "libpipe.so")
    os.mkfifo(pipe)
    assert elf.build_of(pipe) is None
    assert elf.zeroed_bytes(pipe, 4096) == 0


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/", "a\0b", "\udcff\ud800", "", "/proc/self/mem"])
def test_what_is_no_library_has_no_build(path):
    assert elf.build_of(path) in (None, "0 bytes")
    assert elf.zeroed_bytes(path, 0) == 0


heads = st.builds(
    lambda table, size, count, rest: b"\x7fELF\x02" + bytes(11) + struct.pack(
        "=HHIQQQIHHHHHH", 3, 62, 1, 0, table, 0, 0, 64, size, count, 0, 0, 0) + rest,
    st.integers(0, 2**64 - 1) | st.just(64), st.sampled_from([0, 56, 65535]), st.integers(0, 65535),
    st.binary(max_size=300),
)  # fmt: skip


@settings(max_examples=60)
@given(heads | st.binary(max_size=100))
def test_any_contents_can_be_read(tmp_path_factory, contents):
    path = tmp_path_factory.getbasetemp() / "libodd.so"
    path.write_bytes(contents)
    elf._zeroed.cache_clear()
    elf.zeroed_bytes(str(path), 4096)
    assert elf.build_of(str(path)) is not None
