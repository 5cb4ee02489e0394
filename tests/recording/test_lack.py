"""What a process lacks for a moment, such as descriptors or rights, costs at most what was to be recorded then."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
import tracemalloc
from itertools import count
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.probes.base import Probe, ProbeContext
from fwmemtrace.probes.resident.points import Points
from fwmemtrace.records import Note, PhaseBegin, Record, Sample, SessionEnd, Snapshot
from fwmemtrace.sinks import MemorySink
from fwmemtrace.tracing.span import Span
from programs import run_program

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


class _Lacking(Probe):
    name = "lacking"

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.calls = 0

    def start(self, context: ProbeContext) -> None:
        pass

    def phase_began(self, span: Span) -> None:
        self.calls += 1
        if self.calls < 3:
            raise self.error


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), MemoryError("no room")])
def test_a_probe_goes_on_when_there_is_enough_again(error: Exception) -> None:
    sink, probe = MemorySink(), _Lacking(error)
    with fwmemtrace.session(sink, probes=[probe], interval=0):
        for _ in range(5):
            with phase("a"):
                pass
    assert probe.calls == 5
    notes = [record.message for record in sink.records if isinstance(record, Note)]
    assert [note for note in notes if "lacking" in note] == [f"the probe 'lacking' raised {error!r}, and goes on"]
    (end,) = (record for record in sink.records if isinstance(record, SessionEnd))
    assert end.errors == {"lacking": 2}


class _Full(MemorySink):
    """Has no memory for some records."""

    room = True
    refused = 0

    def write(self, record: Record) -> None:
        if not self.room:
            self.refused += 1
            raise MemoryError
        super().write(record)


def test_a_sink_without_memory_loses_what_it_had_none_for_and_no_more() -> None:
    sink = _Full()
    with fwmemtrace.session(sink, interval=0) as session:
        for number in range(6):
            sink.room = number % 2 == 0
            with phase(f"phase {number}"):
                pass
        sink.room = True
    begun = [record.name for record in sink.records if isinstance(record, PhaseBegin)]
    assert begun == ["phase 0", "phase 2", "phase 4"]
    assert session.lost_records == sink.refused >= 6


def test_the_timeline_goes_on_when_there_is_enough_again(monkeypatch: pytest.MonkeyPatch) -> None:
    take, calls = Points.take, count()

    def without_memory(points: Points, rss: int, now_ns: int) -> bool:
        if next(calls) < 3:
            raise MemoryError
        return take(points, rss, now_ns)

    monkeypatch.setattr(Points, "take", without_memory)
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0.001):
        deadline = time.monotonic() + 30
        while not any(isinstance(record, Sample) for record in list(sink.records)) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert next(calls) > 3
    assert any(isinstance(record, Sample) for record in sink.records)


@linux
@pytest.mark.slow
def test_descriptors_run_out_while_a_session_is_on(tmp_path: Path) -> None:
    done = run_program(
        tmp_path,
        """
        import os, resource
        import fwmemtrace
        from fwmemtrace import phase

        resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        with fwmemtrace.session("trace.bin"):
            files = []
            try:
                while True:
                    files.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                pass
            for _ in range(50):
                with phase("short"):
                    pass
            fwmemtrace.snapshot()
            for file in files:
                os.close(file)
            with phase("after"):
                pass
        """,
        timeout_s=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    assert (trace["short"].calls, trace["after"].calls) == (50, 1)
    assert not any("switched off" in note for note in trace.summary().trace.notes)


@linux
@pytest.mark.slow
def test_the_current_folder_is_gone(tmp_path: Path) -> None:
    done = run_program(
        tmp_path,
        """
        import os
        import fwmemtrace
        from fwmemtrace import phase

        here = os.getcwd()
        os.mkdir("gone")
        os.chdir("gone")
        os.rmdir(os.getcwd())
        try:
            fwmemtrace.session("trace.bin")
        except fwmemtrace.SinkError as error:
            print(error)
        with fwmemtrace.session(os.path.join(here, "trace.bin")), phase("a"):
            pass
        """,
        timeout_s=60,
    )
    assert done.stdout == "trace.bin: the current folder was removed; give an absolute path\n", done.stderr
    assert fwmemtrace.read(tmp_path / "trace.bin")["a"].calls == 1


@linux
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs rights to give up")
def test_rights_are_given_up_and_descriptors_closed(tmp_path: Path) -> None:
    done = run_program(
        tmp_path,
        """
        import os
        import fwmemtrace
        from fwmemtrace import phase
        from fwmemtrace.records import PhaseEnd
        from fwmemtrace.sinks import MemorySink

        sink = MemorySink()
        with fwmemtrace.session(sink, interval=0):
            kept = bytearray(20_000_000)
            del kept
            os.seteuid(65534)
            os.closerange(3, 65536)
            with phase("a"):
                pass
            with phase("b"):
                pass
        ends = [record for record in sink.records if isinstance(record, PhaseEnd)]
        print(len(ends), ends[-1].peak_rss_bytes - ends[-1].rss_bytes < 10_000_000)
        """,
        timeout_s=60,
    )
    assert (done.stdout, done.stderr) == ("2 True\n", "")


@linux
@pytest.mark.slow
def test_a_storm_of_signals_takes_one_snapshot() -> None:
    seen = []
    before = signal.signal(signal.SIGUSR2, lambda *_: seen.append(1))
    try:
        sink = MemorySink()
        with fwmemtrace.session(sink, interval=0, snapshot_signal="SIGUSR2"):
            for _ in range(50):
                signal.raise_signal(signal.SIGUSR2)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert len(seen) == 50
    assert len([record for record in sink.records if isinstance(record, Snapshot)]) == 1


class _AsksAgain(Probe):
    name = "again"
    asked = 0

    def start(self, context: ProbeContext) -> None:
        pass

    def snapshot(self, reason: str) -> None:
        self.asked += 1
        fwmemtrace.snapshot("inside")


@pytest.mark.slow
def test_a_snapshot_inside_another_is_not_taken() -> None:
    probe = _AsksAgain()
    with fwmemtrace.session(MemorySink(), probes=[probe], interval=0):
        fwmemtrace.snapshot()
    assert probe.asked == 1


@pytest.mark.slow
def test_a_snapshot_names_the_lines_that_allocated_the_most() -> None:
    sink = MemorySink()
    tracemalloc.start()
    try:
        kept = bytearray(50_000_000)
        with fwmemtrace.session(sink, interval=0):
            fwmemtrace.snapshot()
    finally:
        tracemalloc.stop()
    del kept
    (note,) = (
        record.message
        for record in sink.records
        if isinstance(record, Note) and record.message.startswith("largest allocations")
    )
    assert note.split(", ")[0].startswith(f"largest allocations: {__file__}:")
    assert " 50.0 MB in " in note.split(", ")[0]


@pytest.mark.slow
def test_frozen_objects_do_not_end_the_census(tmp_path: Path) -> None:
    done = run_program(
        tmp_path,
        """
        import gc
        import fwmemtrace
        from fwmemtrace import phase

        with fwmemtrace.session("trace.bin", probes=["objects"], interval=0):
            with phase("a"):
                gc.freeze()
            with phase("b"):
                kept = [{} for _ in range(1000)]
        """,
        timeout_s=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    assert [row.type for row in trace["b"].objects.top if row.delta_count >= 1000] == ["builtins.dict"]
