"""The mapped end of a trace file: what a kill, a truncation, a fork and a full disk leave of it."""

from __future__ import annotations

import io
import mmap
import os
import resource
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fwmemtrace
from fwmemtrace import core, phase
from fwmemtrace.errors import SinkError
from fwmemtrace.records import Sample
from fwmemtrace.sinks.mapped_file import MappedFile
from fwmemtrace.tracefile.decode import FrameDecoder
from fwmemtrace.tracefile.encode import frame

RunProgram: TypeAlias = Any  # the fixture of this folder

pytestmark = pytest.mark.skipif(
    not hasattr(core.load()[0], "TraceWindow"), reason="the compiled core is not built, or switched off"
)


def mapped(path: Path) -> MappedFile:
    file = MappedFile(str(path))
    assert file.append(b"the first bytes are written")
    assert file.append(b"then windows come")
    if file.window is None or not file.window.is_open:
        pytest.skip("this file system cannot reserve space")
    return file


@pytest.mark.parametrize("sizes", [[100] * 3000, [4, 20_000, 5, 100_000, 6, 16_384, 16_385], [65_000, 1000] * 3])
def test_what_is_appended_is_in_the_file_in_its_order_and_nothing_else_is_once_it_is_closed(
    tmp_path: Path, sizes: list[int]
) -> None:
    file = mapped(tmp_path / "f")
    start = (tmp_path / "f").read_bytes().rstrip(b"\0")
    wholes = [bytes([1 + number % 255]) * size for number, size in enumerate(sizes)]
    for whole in wholes:
        assert file.append(whole)
        assert (tmp_path / "f").read_bytes().rstrip(b"\0").endswith(whole)
    file.close()
    assert (tmp_path / "f").read_bytes() == start + b"".join(wholes)
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.append(b"late")


@pytest.mark.parametrize("size", [10, 100_000])
def test_no_gap_stays_where_the_program_has_closed_the_descriptor(tmp_path: Path, size: int) -> None:
    file = mapped(tmp_path / "f")
    start = (tmp_path / "f").read_bytes().rstrip(b"\0")
    os.close(file._number)
    assert file.append(b"x" * size)
    assert file.append(b"last")
    file.close()
    assert (tmp_path / "f").read_bytes() == start + b"x" * size + b"last"


def test_the_pages_of_a_window_are_resident_before_anything_is_written_to_them(
    tmp_path: Path,
) -> None:
    """Otherwise the records of a phase would add to its RSS."""
    file = mapped(tmp_path / "f")
    pages = []
    for _ in range(3 * 65_536 // 8192):
        file.append(b"x" * 8192)
        text = Path("/proc/self/smaps").read_text().partition(str(tmp_path / "f"))[2]
        pages.append(int(text.partition("Rss:")[2].split()[0]))
    file.close()
    assert set(pages) == {64}


def test_a_file_that_another_program_truncates_is_an_error_and_no_signal(tmp_path: Path) -> None:
    file = mapped(tmp_path / "f")
    os.truncate(tmp_path / "f", 0)
    with pytest.raises(SinkError, match="truncated by another program"):
        file.append(b"lost")
    with pytest.raises(SinkError, match="truncated by another program"):
        file.append(b"lost")
    file.close()
    assert (tmp_path / "f").read_bytes() == b""


def test_a_bus_error_of_the_program_s_is_the_program_s(run_program: RunProgram) -> None:
    done = run_program(
        """
        import mmap, os
        from fwmemtrace.sinks.mapped_file import MappedFile
        file = MappedFile("trace.bin")
        file.append(b"first"), file.append(b"second")
        own = open("own", "w+b")
        own.truncate(4096)
        mapping = mmap.mmap(own.fileno(), 4096)
        own.truncate(0)
        print("before", flush=True)
        mapping[0] = 1
        """,
        status=None,
    )
    assert done.stdout == "before\n"
    assert "Bus error" in done.stderr  # faulthandler, which was there first
    assert done.returncode != 0  # -SIGBUS, but the address sanitizer handles it itself


def test_windows_end_where_the_program_handles_bus_errors_itself(run_program: RunProgram) -> None:
    done = run_program(
        """
        import signal
        from fwmemtrace.sinks.mapped_file import MappedFile
        file = MappedFile("trace.bin")
        for _ in range(2000): assert file.append(b"a" * 50)
        signal.signal(signal.SIGBUS, lambda *_: None)
        for _ in range(2000): assert file.append(b"b" * 50)
        file.close()
        print(open("trace.bin").read() == "a" * 100_000 + "b" * 100_000, file.window)
        """
    )
    assert done.stdout == "True None\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_never_writes_into_its_parent_s_window(tmp_path: Path) -> None:
    file = mapped(tmp_path / "f")
    pid = os.fork()
    if pid == 0:
        try:
            for _ in range(2000):
                assert file.append(b"of the child " * 10)
            file.forget()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert file.append(b"of the parent")
    file.close()
    content = (tmp_path / "f").read_bytes()
    assert content.endswith(b"of the parent")
    assert b"child" not in content


def test_space_that_cannot_be_reserved_is_written_to(tmp_path: Path) -> None:
    file = mapped(tmp_path / "f")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    written = (tmp_path / "f").read_bytes().rstrip(b"\0")
    size = os.path.getsize(tmp_path / "f") + 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))  # less than a window
    try:
        whole = b"x" * 90
        while file.append(whole):
            written += whole
        assert size - 90 < len(written) <= size
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.append(b"there is room")
    assert file.window is not None
    assert file.window.is_open
    file.close()
    assert (tmp_path / "f").read_bytes() == written + b"there is room"


@given(
    records=st.lists(st.builds(Sample, *[st.integers(0, 2**62)] * 3), max_size=5),
    unfinished=st.integers(0, 40),
    zeros=st.integers(0, 5000),
)
def test_reserved_bytes_and_an_unfinished_frame_are_no_damage(
    records: list[Sample], unfinished: int, zeros: int
) -> None:
    torn = b"\0\0\0\0" + frame(Sample(1, 2, 3))[4:][:unfinished] if unfinished else b""
    decoder = FrameDecoder(io.BytesIO(b"".join(map(frame, records)) + torn + bytes(zeros)))
    assert list(decoder) == records
    assert decoder.damaged_bytes == 0
    assert decoder.reserved_bytes == len(torn) + zeros


@given(before=st.integers(1, 5000), damage=st.binary(min_size=1, max_size=20))
def test_zeros_before_a_whole_frame_are_damage(before: int, damage: bytes) -> None:
    decoder = FrameDecoder(io.BytesIO(bytes(before) + frame(Sample(1, 2, 3))))
    assert (list(decoder), decoder.damaged_bytes) == ([Sample(1, 2, 3)], before)


@pytest.mark.slow
def test_a_session_whose_trace_is_truncated_tells_the_program_once(run_program: RunProgram) -> None:
    done = run_program(
        """
        import os, warnings, fwmemtrace
        from fwmemtrace import phase
        with warnings.catch_warnings(record=True) as shown:
            warnings.simplefilter("always")
            with fwmemtrace.session("trace.bin", interval=0):
                for number in range(3000):
                    with phase("work"): pass
                    if number == 1000: os.truncate("trace.bin", 0)
        print(len(shown), shown[0].message)
        """
    )
    assert done.stdout.startswith("1 fwmemtrace: the sink TraceFileSink raised SinkError('")
    assert "truncated by another program" in done.stdout


def test_a_session_leaves_no_reserved_bytes(tmp_path: Path) -> None:
    with fwmemtrace.session(tmp_path / "trace.bin", interval=0), phase("work"):
        assert os.path.getsize(tmp_path / "trace.bin") % mmap.PAGESIZE == 0
    trace: Any = fwmemtrace.read(tmp_path / "trace.bin")
    size = os.path.getsize(tmp_path / "trace.bin")
    assert size == 20 + sum(len(frame(record)) for record in trace)
