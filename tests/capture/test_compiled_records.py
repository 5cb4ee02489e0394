"""The compiled parser and memray's own reader find the same in real captures, to the byte."""

from __future__ import annotations

import subprocess
import sys
from operator import attrgetter
from pathlib import Path

import pytest
from msgspec.structs import asdict, replace

from fwmemtrace import core
from fwmemtrace.capture import capture_file, reader_processes
from fwmemtrace.capture.by_phase import LocalCapture
from fwmemtrace.capture.compiled_records import parser_for
from fwmemtrace.capture.frames import UNKNOWN
from fwmemtrace.capture.messages import Request

memray = pytest.importorskip("memray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(core.load()[0] is None, reason="the compiled core cannot be used"),
]
FREES = (1, 5, 15)
FIELDS = attrgetter(
    "tid", "address", "size", "allocator", "stack_id", "n_allocations", "native_stack_id", "native_segment_generation"
)
PROGRAM = """
import os, signal, sys, threading, mmap, memray
from fwmemtrace import phase
from fwmemtrace.probes.native.markers_only import install

def deep(depth):
    return deep(depth - 1) if depth else [str(number) for number in range(50)]

def work(name):
    kept = []
    for turn in range(60):
        with phase(name):
            kept.append(deep(turn % 30))
        if turn % 3 == 0:
            kept.pop(0)

path, native, python_allocators, compress, ending = sys.argv[1:]
install()
destination = memray.FileDestination(path, compress_on_exit=compress == "1")
with memray.Tracker(
    destination=destination,
    native_traces=native == "1",
    trace_python_allocators=python_allocators == "1",
    follow_fork=ending == "fork",
):
    mapping = mmap.mmap(-1, 1 << 20)
    threads = [threading.Thread(target=work, args=(f"worker {number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    import decimal, sqlite3  # libraries
    work("main")
    for thread in threads:
        thread.join()
    mapping.close()
    if ending == "fork":
        child = os.fork()
        work("child" if child == 0 else "parent")
        if child:
            os.waitpid(child, 0)
    if ending == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
"""


def run(path, native=False, python_allocators=True, compress=True, ending="stop"):
    arguments = [str(int(flag)) for flag in (native, python_allocators, compress)]
    command = [sys.executable, "-c", PROGRAM, str(path), *arguments, ending]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == (-9 if ending == "kill" else 0), done.stderr


def assert_equal(path, monkeypatch):
    """Assert that both ways read the same records, stacks and rows."""
    parser = parser_for(path)
    assert parser is not None
    reader = memray.FileReader(str(path))
    records = list(reader.get_allocation_records())
    read = [FIELDS(record) for record in records]
    assert parser.next(len(records) + 1) == read
    assert parser.records == len(records)
    keys = {(stack, native, generation) for _, _, _, kind, stack, _, native, generation in read if kind not in FREES}
    found = contents(path, sorted(keys))
    assert_some_stacks_are_as_among_all(path, dict(zip(sorted(keys), found[2], strict=True)))
    assert found[0].memray_peak_bytes == reader.metadata.peak_memory
    monkeypatch.setattr(capture_file, "parser_for", lambda path: None)
    other = contents(path, sorted(keys))
    assert found == other or without_libraries(found) == without_libraries(other)
    assert found == other or any(native for _, native, _ in keys)
    monkeypatch.undo()


def without_libraries(found):
    """Leave out what depends on the libraries of frames, which memray's reader does not say."""
    summary, resident, stacks, *rest = found
    figures = {
        path: {name: value for name, value in asdict(row).items() if name not in ("top", "by_library", "at_peak")}
        for path, row in summary.rows.items()
    }
    named = [[frame[:3] for frame in stack if frame[0] != UNKNOWN] for stack in stacks]
    return replace(summary, rows={}, notes=[]), figures, resident, named, *rest


def assert_some_stacks_are_as_among_all(path, stacks):
    """Assert that stacks are the same where memray was told of these only."""
    with LocalCapture(path) as capture:
        for step in (40, 7, 2):
            some = dict(list(stacks.items())[::step])
            capture.file.prepare(list(some))
            assert some == {key: stack_of(capture.file, key) for key in some}
            assert capture.file._numbers is not None, "all were read"


def stack_of(file, key):
    return file.hybrid_stack(key) if file.native else file.python_stack(key)


def contents(path, keys):
    """Return all that the reader says of a capture: its rows, its RSS, and these stacks."""
    with LocalCapture(path) as capture:
        capture.read()
        file = capture.file
        stacks = [stack_of(file, key) for key in keys]
        return capture.summary(), file.resident(), stacks, file.pid, file.command, file.wall_ns, file.own_thread


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("python_allocators", [False, True])
@pytest.mark.parametrize("native", [False, True])
def test_both_readers_agree(tmp_path, monkeypatch, native, python_allocators, compress):
    run(tmp_path / "capture.bin", native, python_allocators, compress)
    assert_equal(tmp_path / "capture.bin", monkeypatch)


def test_both_readers_agree_about_a_process_and_its_fork(tmp_path, monkeypatch):
    run(tmp_path / "capture.bin", ending="fork")
    captures = sorted(tmp_path.glob("capture.bin*"))
    assert len(captures) == 2
    # The child leaves through the end of the block as its parent does, so both captures are complete.
    for path in captures:
        assert_equal(path, monkeypatch)


@pytest.mark.parametrize("native", [False, True])
def test_both_readers_agree_about_a_killed_process(tmp_path, monkeypatch, native):
    path = tmp_path / "capture.bin"
    run(path, native, ending="kill")
    assert parser_for(path).records > 10_000
    assert_equal(path, monkeypatch)
    # And wherever the file ends.
    whole = path.read_bytes().rstrip(b"\0")
    for taken in range(1, 40, 7):
        path.write_bytes(whole[:-taken])
        read = [FIELDS(record) for record in memray.FileReader(str(path)).get_allocation_records()]
        assert parser_for(path).next(len(read) + 1) == read


def test_without_the_core_memray_reads(tmp_path, monkeypatch):
    path = tmp_path / "capture.bin"
    run(path)
    assert parser_for(path) is not None
    monkeypatch.setenv("FWMEMTRACE_CORE", "0")
    assert parser_for(path) is None


def test_the_reading_process_is_told_whether_to_use_the_core(monkeypatch):
    monkeypatch.setenv("FWMEMTRACE_CORE", "0")
    monkeypatch.setenv("FWMEMTRACE", "trace.bin")
    process = reader_processes.ReaderProcess()
    process.send(Request("close"))
    process.receive()  # it runs by now, so that this is its environment and not its parent's
    names = Path(f"/proc/{process._process.pid}/environ").read_bytes().split(b"\0")
    process.end()
    assert b"FWMEMTRACE_CORE=0" in names
    assert b"FWMEMTRACE=trace.bin" not in names
