"""A capture as a stream of samples, each with its whole stack."""

from __future__ import annotations

import mmap
import threading

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.capture import capture_file
from fwmemtrace.capture.isolated import IsolatedCapture
from fwmemtrace.capture.readers import reader_for
from fwmemtrace.errors import CaptureError
from fwmemtrace.paths import write
from fwmemtrace.records import CaptureChunk
from fwmemtrace.sinks.trace_file import TraceFileSink
from fwmemtrace.trace import capture_of

from .conftest import assert_conserved

pytest.importorskip("memray")
from memray._test import MemoryAllocator

PAGE = mmap.PAGESIZE
STACKS = 40  # more than a report shows


def ask(depth, size):
    if depth:
        return ask(depth - 1, size)
    block = MemoryAllocator()
    block.malloc(size)
    return block


@pytest.fixture(scope="module", params=[False, True], ids=["python", "native"])
def capture(request, tmp_path_factory):
    """The capture of a session with two phases of many stacks each, a thread, and a mapped file."""
    folder = tmp_path_factory.mktemp("samples")
    (folder / "weights").write_bytes(bytes(30 * PAGE))
    kept = []
    with fwmemtrace.session(folder / "trace.bin", probes=["native"], native_traces=request.param):
        with phase("outer"):
            kept += [ask(depth, 10_000 + depth) for depth in range(STACKS)]
            with phase("inner/one"), (folder / "weights").open("rb") as file:
                kept += [ask(depth, 20_000 + depth) for depth in range(STACKS)]
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            thread = threading.Thread(target=lambda: kept.append(ask(0, 30_000)))
            thread.start()
            thread.join()
    with fwmemtrace.read(folder / "trace.bin").capture() as inside:
        (folder / "capture.bin").write_bytes(inside.read_bytes())
    yield folder / "capture.bin"
    mapped.close()
    for block in kept:
        block.free()


def test_the_samples_have_all_stacks_of_all_phases_and_add_up(capture):
    assert_conserved(capture)  # which adds up the samples too
    with reader_for("memray").samples(capture) as found:
        samples = [
            (sample, sample.stack) for sample in list(found)
        ]  # once all were read, and the capture is still open
    for path, size in ((("outer",), 10_000), (("outer", "inner/one"), 20_000)):
        blocks = {sample.allocated_bytes: (sample, stack) for sample, stack in samples if sample.phase == path}
        for depth in range(STACKS):
            sample, stack = blocks[size + depth]
            assert sample.live_bytes == size + depth
            assert sample.allocations == 1
            functions = [frame.function for frame in stack if frame.file == __file__]
            assert functions[: depth + 1] == ["ask"] * (depth + 1)
            assert functions[depth + 1] != "ask"


def test_the_frames_are_those_of_the_report(capture):
    with IsolatedCapture(capture) as reading:
        reading.read()
        rows = reading.summary(top=1000).rows
        for sample in reading.samples():
            stacks = [site.stack for site in rows[sample.phase].top]
            assert list(sample.stack) in stacks


def test_a_mapped_file_and_a_thread_without_a_phase_are_told_apart(capture):
    with reader_for("memray").samples(capture) as found:
        samples = list(found)
    assert [write(sample.phase) for sample in samples if sample.file_backed_bytes] == ["outer/inner\\/one"]
    assert sum(sample.file_backed_bytes for sample in samples) == 30 * PAGE
    (ambient,) = (sample for sample in samples if sample.allocated_bytes == 30_000)
    assert ambient.ambient
    assert ambient.phase == ("outer",)


def without_native_frames(rows):
    """Return rows without native frames, which memray keeps as it first resolved them: with or without inlined ones."""
    for row in rows.values():
        for site in (*row.top, *row.at_peak):
            site.stack = [frame for frame in site.stack if frame.library is None]
    return rows


@pytest.mark.slow
def test_a_reading_can_be_asked_in_its_middle(capture, monkeypatch):
    monkeypatch.setattr(capture_file, "_BATCH", 20)
    with IsolatedCapture(capture) as reading:
        counts = []

        def progress(done, total):
            assert reading.summary().complete == (done == total)
            counts.append(sum(sample.allocations for sample in reading.samples()))

        reading.read(progress)
        asked_often = reading.summary()
    assert counts == sorted(counts)
    assert len(counts) > 10
    with IsolatedCapture(capture) as reading:
        reading.read()
        asked_once = reading.summary()
    assert without_native_frames(asked_often.rows) == without_native_frames(asked_once.rows)
    assert counts[-1] == asked_once.totals.allocations


def test_a_tool_without_a_reader_is_one_clear_error():
    with pytest.raises(CaptureError, match="captures of 'perf' cannot be read by this version"):
        reader_for("perf")


def test_captures_of_two_tools_in_one_trace_are_kept_apart(tmp_path):
    sink = TraceFileSink(tmp_path / "trace.bin")
    for offset in (0, 3):
        sink.write(CaptureChunk("memray", offset, 6, b"abcdef"[offset : offset + 3]))
        sink.write(CaptureChunk("another", offset, 6, b"uvwxyz"[offset : offset + 3]))
    sink.close()
    (file,) = fwmemtrace.read(tmp_path / "trace.bin").files
    with capture_of(file) as path:
        assert path.read_bytes() == b"abcdef"
