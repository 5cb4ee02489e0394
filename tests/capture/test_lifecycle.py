"""Where the capture goes: into the trace, next to it, into traces of workers, or into another tool's tracker."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace import errors, phase
from fwmemtrace.capture.by_phase import read_capture
from fwmemtrace.probes.native import probe
from fwmemtrace.records import CaptureChunk, Note
from fwmemtrace.sinks.fan_out import FanOutSink
from fwmemtrace.sinks.memory import MemorySink
from fwmemtrace.sinks.trace_file import TraceFileSink
from fwmemtrace.trace import capture_of

from .conftest import NEEDS_CORE, arenas, assert_conserved, by_text, summaries, summary_of

memray = pytest.importorskip("memray")
MemoryAllocator = pytest.importorskip("memray._test").MemoryAllocator


def notes(records):
    return [record.message for record in records if isinstance(record, Note) and record.source == "native"]


def test_a_clean_stop_moves_the_capture_into_the_trace(tmp_path):
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(path, probes=["native"]):
        assert (tmp_path / "trace.bin.memray").exists()
        kept = bytearray(3_000_000)
    assert os.listdir(tmp_path) == ["trace.bin"]
    assert summary_of(path).rows[""].live_bytes >= 3_000_000
    assert notes(fwmemtrace.read(path)) == []
    del kept


def test_a_large_capture_is_moved_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "_PIECE", 10_000)
    path = tmp_path / "trace.bin"
    sizes = struct.unpack("5000I", os.urandom(20_000))  # incompressible
    with fwmemtrace.session(path, probes=["native"]):
        blocks = [MemoryAllocator() for _ in sizes]
        for block, size in zip(blocks, sizes, strict=True):
            block.malloc(2000 + size % 50_000)
        for block in blocks:
            block.free()
    chunks = [record for record in fwmemtrace.read(path) if isinstance(record, CaptureChunk)]
    assert len(chunks) > 1
    assert max(len(chunk.data) for chunk in chunks) <= 10_000
    assert sum(len(chunk.data) for chunk in chunks) == chunks[0].total
    summary_of(path)


class Full(TraceFileSink):
    """A trace file on a disk that has no room for a capture."""

    def write(self, record):
        if isinstance(record, CaptureChunk):
            raise OSError(28, "No space left on device")
        super().write(record)


@pytest.mark.filterwarnings("ignore:fwmemtrace")
def test_a_capture_that_does_not_fit_stays_next_to_the_trace(tmp_path):
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(Full(path), probes=["native"]):
        with phase("a"):
            kept = bytearray(3_000_000)
    assert (tmp_path / "trace.bin.memray").exists()
    assert summary_of(path).rows["a"].live_bytes >= 3_000_000
    del kept


@pytest.mark.filterwarnings("ignore:fwmemtrace")
def test_it_stays_there_too_where_another_sink_goes_on(tmp_path):
    path, other = tmp_path / "trace.bin", MemorySink()
    with fwmemtrace.session(FanOutSink(Full(path), other), probes=["native"]):
        pass
    assert (tmp_path / "trace.bin.memray").exists()


def test_without_a_trace_file_a_note_names_the_capture(tmp_path):
    sink = MemorySink()
    with fwmemtrace.session(sink, probes=["native"]):
        with phase("a"):
            kept = bytearray(3_000_000)
    assert not any(isinstance(record, CaptureChunk) for record in sink.records)
    (note,) = notes(sink.records)
    path = Path(re.search(r"capture is (.*)", note)[1])
    assert assert_conserved(path).rows["a"].live_bytes >= 3_000_000
    path.unlink()
    del kept


def test_two_sessions_one_after_the_other(tmp_path):
    for number in range(2):
        path = tmp_path / f"trace{number}.bin"
        with fwmemtrace.session(path, probes=["native"]), phase(f"phase {number}"):
            pass
        assert set(summary_of(path).rows) == {"", f"phase {number}"}


def test_a_tracker_that_runs_already_gets_the_markers(tmp_path):
    path = tmp_path / "trace.bin"
    with memray.Tracker(tmp_path / "theirs.bin"):
        with fwmemtrace.session(path, probes=["native"], required=["native"]):
            with phase("a"):
                kept = bytearray(3_000_000)
                with phase("b"):
                    del kept
    assert sorted(os.listdir(tmp_path)) == ["theirs.bin", "trace.bin"]
    (note,) = notes(fwmemtrace.read(path))
    assert "tracker was running already" in note
    rows = assert_conserved(tmp_path / "theirs.bin").rows
    assert 3_000_000 <= rows["a"].allocated_bytes < 3_100_000 + arenas(rows)
    assert rows["a/b"].freed_bytes >= 3_000_000


@pytest.mark.slow
def test_a_capture_of_memray_run_has_phases_with_markers_on(run, tmp_path):
    program = """
from fwmemtrace import phase
@phase
def load():
    return bytearray(3_000_000)
kept = load()
"""
    command = ("-m", "memray", "run", "-q", "-o", "capture.bin", "-f")
    run(program, *command, FWMEMTRACE_MARKERS="1")
    assert assert_conserved(tmp_path / "capture.bin").rows["load"].held_bytes == 3_000_001
    run(program, *command)
    summary = assert_conserved(tmp_path / "capture.bin")
    assert set(summary.rows) == {""}
    assert summary.rows[""].live_bytes > 3_000_000
    assert any("does not tell mapped files from memory" in note for note in summary.notes)


def test_a_forked_worker_has_its_own_capture(run, tmp_path):
    run(
        """
import os, fwmemtrace
from fwmemtrace import phase
fwmemtrace.start("trace.bin", probes=["native"])
with phase("outer"):
    kept = bytearray(2_000_000)
    pid = os.fork()
    if pid == 0:
        mine = bytearray(5_000_000)
        with phase("inner"):
            more = bytearray(7_000_000)
    else:
        os.waitpid(pid, 0)
"""
    )
    parent, child = summaries(tmp_path / "trace.bin")
    assert 2_000_000 <= parent.rows["outer"].live_bytes < 2_500_000 + arenas(parent.rows)
    assert set(parent.rows) == {"", "outer"}
    assert 5_000_000 <= child.rows["outer"].live_bytes < 5_500_000 + arenas(child.rows)
    assert 7_000_000 <= child.rows["outer/inner"].live_bytes < 7_500_000 + arenas(child.rows)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_pool(run, tmp_path, method):
    run(
        f"""
import multiprocessing, fwmemtrace
from fwmemtrace import phase
def work(size):
    with phase("work"):
        globals()["kept"] = bytearray(size)
if __name__ == "__main__":
    with fwmemtrace.session("trace.bin", probes=["native"]):
        pool = multiprocessing.get_context({method!r}).Pool(2)
        pool.map(work, [3_000_000, 3_000_000, 3_000_000, 3_000_000], chunksize=1)
        pool.close()
        pool.join()
"""
    )
    first, *workers = summaries(tmp_path / "trace.bin")
    assert "work" not in first.rows
    worked = [worker.rows["work"].allocated_bytes for worker in workers if "work" in worker.rows]
    assert 12_000_000 <= sum(worked) < 13_000_000


def test_a_killed_process_leaves_its_capture_next_to_the_trace(run, tmp_path):
    done = run(
        """
import os, signal, fwmemtrace
from fwmemtrace import phase
fwmemtrace.start("trace.bin", probes=["native"])
with phase("outer"):
    kept = bytearray(2_000_000)
    with phase("deadly"):
        mine = [bytearray(50_000) for _ in range(100)]
        os.kill(os.getpid(), signal.SIGKILL)
""",
        expect=None,
    )
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "trace.bin.memray").exists()
    (file,) = fwmemtrace.read(tmp_path / "trace.bin").files
    with capture_of(file) as capture:
        summary = assert_conserved(capture)
    assert summary.rows["outer"].live_bytes >= 2_000_000
    assert summary.rows["outer/deadly"].live_bytes >= 100 * 50_000
    assert any("process was killed" in note for note in summary.notes)


def test_without_memray_the_error_tells_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "memray", None)
    with pytest.raises(errors.ProbeUnavailable, match=r"fwmemtrace\[native\]"):
        fwmemtrace.session(tmp_path / "trace.bin", probes=["native"], required=["native"])
    with pytest.raises(errors.CaptureError, match=r"fwmemtrace\[native\]"):
        read_capture(tmp_path / "trace.bin")


@pytest.mark.parametrize(("version", "works"), [("1.18.9", False), ("1.19", True), ("2.0.1rc1", True)])
def test_a_memray_too_old_to_record_phases_is_refused(monkeypatch, tmp_path, version, works):
    monkeypatch.setattr(memray, "__version__", version)
    if works:
        fwmemtrace.session(tmp_path / "trace.bin", probes=["native"], required=["native"]).stop()
        return
    with pytest.raises(errors.ProbeUnavailable, match=r"memray 1\.18\.9 is too old.* install 1\.19 or newer"):
        fwmemtrace.session(tmp_path / "trace.bin", probes=["native"], required=["native"])


@pytest.mark.slow
def test_stopping_while_threads_allocate_natively(run, tmp_path):
    for _ in range(3):
        run(
            """
import threading, time, zlib, hashlib, fwmemtrace
from fwmemtrace import phase
stop = False
done = []
def work():
    data = bytes(200_000)
    while not stop:
        with phase("work"):
            zlib.compress(data, 1)  # allocates and frees without the interpreter's lock
            done.append(None)
threads = [threading.Thread(target=work) for _ in range(6)]
for number in range(4):
    session = fwmemtrace.session("trace.bin", probes=["native"])
    if number == 0:
        for thread in threads:
            thread.start()
    enough = len(done) + 50  # not for a stretch of time: on a busy machine no thread might run in it
    while len(done) < enough:
        time.sleep(0.005)
    session.stop()
stop = True
for thread in threads:
    thread.join()
"""
        )
    assert "work" in summary_of(tmp_path / "trace.bin").rows


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "capture.bin: no such file"),
        (lambda path: path.mkdir(), "is a folder, not a memray capture"),
        (lambda path: path.write_bytes(b""), "is not a capture that memray .* can read"),
        (lambda path: path.write_text("hello\n" * 1000), "is not a capture that memray .* can read"),
    ],
)
def test_a_file_that_is_no_capture_is_one_clear_error(tmp_path, make, message):
    path = tmp_path / "capture.bin"
    make(path)
    with pytest.raises(errors.CaptureError, match=message) as caught:
        read_capture(path)
    assert "\n" not in str(caught.value)


def test_aggregated_captures_are_refused(tmp_path):
    path = tmp_path / "capture.bin"
    with memray.Tracker(path, file_format=memray.FileFormat.AGGREGATED_ALLOCATIONS):
        pass
    with pytest.raises(errors.CaptureError, match=r"order of the allocations.*--aggregate"):
        read_capture(path)


@pytest.mark.parametrize("compressed", [True, False])
def test_a_truncated_capture_is_read_as_far_as_it_goes(tmp_path, compressed):
    path, cut = tmp_path / "capture.bin", tmp_path / "cut.bin"
    destination = memray.FileDestination(path, compress_on_exit=compressed)
    with memray.Tracker(destination=destination):
        for size in range(20_000):
            bytearray(5000 + size)
    whole = path.read_bytes()
    for share in (0.3, 0.6, 0.9):
        cut.write_bytes(whole[: int(len(whole) * share)])
        try:
            summary = by_text(read_capture(cut))
        except errors.CaptureError:
            continue
        assert summary.totals.allocations < 41_000


@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN])
def test_interrupting_the_reader_leaves_a_partial_summary(tmp_path, on_signal, handler):
    on_signal(signal.SIGINT, handler)
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(path, probes=["native"]):
        for _ in range(30_000):
            bytearray(5000)

    def interrupt(done, total):
        if done > 20_000:
            os.kill(os.getpid(), signal.SIGINT)

    with fwmemtrace.read(path).capture() as capture:
        summary = by_text(read_capture(capture, progress=interrupt))
    if handler is signal.SIG_IGN:  # started in the background: an interrupt is none
        assert summary.complete
        assert summary.totals.allocations >= 30_000
        return
    assert not summary.complete
    assert any("interrupted after" in note for note in summary.notes)
    assert 10_000 <= summary.totals.allocations < 30_000
    subprocess.run([sys.executable, "-c", ""], check=True)  # no interrupt is pending


@pytest.mark.slow
def test_the_command_reports_a_capture_without_a_trace(run, tmp_path, capsys):
    from fwmemtrace.cli import main

    run(
        """
from fwmemtrace import phase
with phase("load"):
    kept = bytearray(3_000_000)
    with phase("inner"):
        more = bytearray(7_000_000)
""",
        *("-m", "memray", "run", "-q", "-o", "capture.bin"),
        FWMEMTRACE_MARKERS="1",
    )
    capture = str(tmp_path / "capture.bin")
    assert main(["report", "--native", capture, "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    phases = {phase["path"]: phase for phase in report["phases"]}
    assert phases["load"]["native"]["held_bytes"] >= 3_000_001
    assert phases["load/inner"]["native"]["held_bytes"] >= 7_000_001
    assert phases["load"]["calls"] == 1
    assert report["trace"]["processes"][0]["peak_bytes"] > 10_000_000
    for form in ("text", "markdown", "html"):
        assert main(["report", "--native", capture, "--format", form]) == 0
        shown = capsys.readouterr().out
        assert "inner" in shown
        assert "0 ns" not in shown
    assert main(["report", "--native", str(tmp_path / "program.py")]) == 2
    assert "is not a capture" in capsys.readouterr().err
    assert main(["report"]) == 2
    assert main(["report", "--native", capture, capture]) == 2


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@NEEDS_CORE
def test_a_capture_whose_library_is_gone(run, tmp_path):
    (tmp_path / "grab.c").write_text("#include <stdlib.h>\nvoid *grab_it(size_t n) { return malloc(n); }\n")
    library = tmp_path / "libgrab.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "grab.c"], check=True)
    run(
        f"""
import ctypes, fwmemtrace
from fwmemtrace import phase
grab = ctypes.CDLL({str(library)!r}).grab_it
def ask():
    grab(ctypes.c_size_t(5_000_000))
with fwmemtrace.session("trace.bin", probes=["native"], native_traces=True):
    with phase("grab"):
        ask()
"""
    )
    with fwmemtrace.read(tmp_path / "trace.bin").capture() as capture:
        kept = shutil.copy(capture, tmp_path / "kept.bin")
    read = """
import sys
from fwmemtrace.capture.by_phase import read_capture
summary = read_capture("kept.bin")
site = summary.rows["grab",].top[0]
print(site.live_bytes, site.library, *[frame.function for frame in site.stack])
print(*summary.notes)
"""
    here = run(read).stdout
    assert re.match(r"5000000 libgrab.so grab_it .*ask <module>", here), here
    library.unlink()
    gone = run(read)
    assert re.match(r"5000000 libgrab.so <unknown> (?!.*grab_it).*ask <module>", gone.stdout), gone.stdout
    assert re.search(r"without a symbol: .*libgrab.so \w+ stripped, or not on this machine", gone.stdout), gone.stdout
    assert gone.stderr == ""
    assert kept
