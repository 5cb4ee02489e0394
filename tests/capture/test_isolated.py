"""A capture is read in a process of its own: one that ends its reader is an error and no more."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace import core, phase
from fwmemtrace.capture import isolated, reader_processes
from fwmemtrace.capture.isolated import IsolatedCapture
from fwmemtrace.cli import main
from fwmemtrace.errors import CaptureError
from fwmemtrace.recording.child_environment import untraced_environment

pytest.importorskip("memray")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trace_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("isolated") / "t.bin"
    with fwmemtrace.session(path, probes=["native"], interval=0):
        with phase("work"):
            kept = [bytes(10_000) for _ in range(2000)]
        del kept
    return path


@pytest.fixture
def capture_path(trace_path):
    with fwmemtrace.read(trace_path).capture() as path:
        yield path


def reader() -> int:
    (process,) = reader_processes._kept
    return process._process.pid


def test_the_process_is_kept_for_the_next_capture(capture_path):
    for _ in range(2):
        with IsolatedCapture(capture_path) as capture:
            capture.read()
            assert capture.summary().rows[("work",)].allocated_bytes > 20_000_000
    first = reader()
    with IsolatedCapture(capture_path):
        pass
    assert reader() == first


def test_a_process_that_has_ended_is_replaced(capture_path):
    with IsolatedCapture(capture_path):
        pass
    first = reader()
    os.kill(first, signal.SIGKILL)
    reader_processes._kept[0]._process.wait()
    with IsolatedCapture(capture_path) as capture:
        assert capture.file.records > 2000
    assert reader() != first


def test_what_ends_the_process_is_a_clear_error(capture_path):
    def crash(done: int, total: int) -> None:
        assert capture._process is not None
        os.kill(capture._process._process.pid, signal.SIGSEGV)

    with (
        IsolatedCapture(capture_path) as capture,
        pytest.raises(CaptureError, match=r"crashed its reader \(SIGSEGV\)"),
    ):
        capture.read(crash)
    with pytest.raises(CaptureError, match="is closed"):
        capture.summary()


def test_an_error_of_the_caller_ends_the_reading(capture_path):
    def fail(done: int, total: int) -> None:
        raise ZeroDivisionError

    with IsolatedCapture(capture_path) as capture, pytest.raises(ZeroDivisionError):
        capture.read(fail)
    with IsolatedCapture(capture_path) as capture:
        capture.read()


def test_a_report_says_that_a_capture_ended_its_reader(trace_path, monkeypatch, capsys):
    real = isolated.IsolatedCapture._read

    def crash(self: IsolatedCapture, progress: object) -> None:
        assert self._process is not None
        os.kill(self._process._process.pid, signal.SIGSEGV)
        real(self, None)

    monkeypatch.setattr(isolated.IsolatedCapture, "_read", crash)
    assert main(["report", str(trace_path)]) == 0
    assert "crashed its reader (SIGSEGV)" in " ".join(capsys.readouterr().out.split())


def test_a_capture_with_a_hostile_name_is_read(capture_path, tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.memray")
    with open(path, "wb") as copy:
        copy.write(capture_path.read_bytes())
    with IsolatedCapture(os.fsdecode(path)) as capture:
        capture.read()
        assert ("work",) in capture.summary().rows


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_fifo_in_place_of_a_library_is_never_waited_for(tmp_path):
    name = ctypes.util.find_library("z")
    if name is None:
        pytest.skip("needs zlib")
    loaded = ctypes.CDLL(name)
    source = next(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/libz.so" in line)
    library = tmp_path / "libcopy.so"
    shutil.copy(source, library)
    program = tmp_path / "program.py"
    program.write_text(
        f"""
import ctypes, fwmemtrace
library = ctypes.CDLL({str(library)!r})
library.zlibVersion.restype = ctypes.c_char_p
with fwmemtrace.session("t.bin", probes=["native"], native_traces=True, interval=0), fwmemtrace.phase("work"):
    stream = ctypes.create_string_buffer(200)
    assert library.deflateInit_(stream, 6, library.zlibVersion(), 112) == 0
"""
    )
    subprocess.run([sys.executable, str(program)], cwd=tmp_path, env=untraced_environment(), check=True, timeout=120)
    library.unlink()
    os.mkfifo(library)
    with fwmemtrace.read(tmp_path / "t.bin").capture() as path:
        if core.load()[0] is not None:  # which opens no FIFO
            assert isolated.read_rows(path).rows["work",].allocations
        else:  # memray opens it, and waits
            with pytest.raises(CaptureError, match="such as a FIFO"):
                isolated.read_rows(path)
    del loaded
