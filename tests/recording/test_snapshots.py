"""Snapshots: on demand, by a signal, by a control file, and before memory runs out."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace.errors import SettingsError
from fwmemtrace.probes.base import Probe, ProbeContext
from fwmemtrace.probes.resident.triggers import Triggers
from fwmemtrace.records import MappingsReading, Note, Snapshot
from fwmemtrace.sinks.memory import MemorySink
from fwmemtrace.system.cgroup import Group
from fwmemtrace.system.meters import open_meter

from .test_host_safety import run

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
MB = 1_000_000
SECOND = 1_000_000_000


def snapshots(sink: MemorySink) -> list[Snapshot]:
    return [record for record in sink.records if isinstance(record, Snapshot)]


def test_a_snapshot_has_the_stacks_of_all_threads() -> None:
    fwmemtrace.snapshot()  # without a session
    sink, over = MemorySink(), threading.Event()
    waiting = threading.Thread(target=over.wait, name="waits")
    waiting.start()
    with fwmemtrace.session(sink, interval=0):
        fwmemtrace.snapshot("just so")
    over.set()
    waiting.join()
    (found,) = snapshots(sink)
    assert found.reason == "just so"
    assert found.rss_bytes > MB
    stacks = {thread.name: [function for function, _, _ in thread.frames] for thread in found.threads}
    assert "test_a_snapshot_has_the_stacks_of_all_threads" in stacks[threading.main_thread().name]
    assert stacks["waits"][:2] == ["Condition.wait", "Event.wait"]
    notes = [note.message for note in sink.records if isinstance(note, Note)]
    assert any(note.startswith("largest types: ") and "builtins.dict" in note for note in notes)


class _Failing(Probe):
    name = "failing"

    def start(self, context: ProbeContext) -> None:
        context.note("connected to postgres://me:hunter2@db/x")
        raise RuntimeError("token=hunter2 was refused")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_notes_and_reasons_have_no_secrets() -> None:
    sink = MemorySink()
    with fwmemtrace.session(sink, probes=[_Failing()], interval=0):
        fwmemtrace.snapshot("after login with password=hunter2")
    notes = [note.message for note in sink.records if isinstance(note, Note)]
    assert any("connected to postgres://" in note for note in notes)
    assert any("was refused" in note for note in notes)
    assert any("after login" in note for note in notes)
    assert "hunter2" not in repr([*notes, *snapshots(sink)])


@pytest.mark.slow
@linux
def test_a_signal_takes_a_snapshot_and_the_program_gets_it_too() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: seen.append(number))
    try:
        mine = signal.getsignal(signal.SIGUSR2)
        sink = MemorySink()
        with fwmemtrace.session(sink, interval=0, snapshot_signal="SIGUSR2"):
            signal.raise_signal(signal.SIGUSR2)
        assert [found.reason for found in snapshots(sink)] == ["SIGUSR2"]
        assert seen == [signal.SIGUSR2]
        assert signal.getsignal(signal.SIGUSR2) is mine
    finally:
        signal.signal(signal.SIGUSR2, before)
    with pytest.raises(SettingsError, match="'SIGNONE' is not a signal"):
        fwmemtrace.session(MemorySink(), snapshot_signal="SIGNONE")
    with fwmemtrace.session(MemorySink(), interval=0):  # that failure left nothing on
        pass


@pytest.mark.slow
@linux
def test_a_session_that_another_thread_switches_off_and_on_takes_snapshots_again(
    recwarn: pytest.WarningsRecorder,
) -> None:
    def in_a_thread(action: Callable[[], object]) -> None:
        thread = threading.Thread(target=action)
        thread.start()
        thread.join()

    before = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        first, second = MemorySink(), MemorySink()
        fwmemtrace.start(first, interval=0, snapshot_signal="SIGUSR2")
        in_a_thread(fwmemtrace.stop)
        signal.raise_signal(signal.SIGUSR2)
        in_a_thread(lambda: fwmemtrace.start(second, interval=0, snapshot_signal="SIGUSR2"))
        signal.raise_signal(signal.SIGUSR2)
        fwmemtrace.stop()
        assert [len(snapshots(sink)) for sink in (first, second)] == [0, 1]
        assert signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert not list(recwarn)


@pytest.mark.parametrize(
    ("conditions", "readings", "fired"),
    [
        (["300MB"], [(0, 100 * MB), (1, 301 * MB), (2, 400 * MB), (40, 500 * MB)], ["RSS 301.0 MB", "RSS 500.0 MB"]),
        (["50MB/s"], [(0, 100 * MB), (0.5, 140 * MB), (1.6, 180 * MB), (2, 240 * MB)], ["RSS grew by 60.0 MB"]),
        (["50MB/s"], [(second, second * 40 * MB) for second in range(20)], []),
    ],
)
def test_conditions(conditions: list[str], readings: list[tuple[float, int]], fired: list[str]) -> None:
    found: list[str] = []
    triggers = Triggers(conditions, [], lambda: 0, lambda reason, limit: found.append(reason))
    for second, rss in readings:
        triggers.look(rss, int((second + 1) * SECOND))
    assert len(found) == len(fired)
    assert all(reason.startswith(start) for reason, start in zip(found, fired, strict=True))


def test_pressure_is_that_of_the_innermost_group_that_counts_it(tmp_path: Path) -> None:
    inner, outer = Group("/a/b", str(tmp_path / "b")), Group("/a", str(tmp_path))
    (tmp_path / "memory.pressure").write_text(
        "some avg10=25.50 avg60=3.00 avg300=1.00 total=7127201\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=1521597\n"
    )
    found: list[str] = []
    for share in ("psi:30%", "psi:20%"):
        Triggers([share], [inner, outer], lambda: 0, lambda reason, limit: found.append(reason)).look(MB, 5 * SECOND)
    assert found == ["tasks waited for memory in 26% of the last ten seconds"]


@linux
def test_a_trigger_takes_a_reading_of_the_ledger(new_memory, wait_until) -> None:
    def readings() -> int:
        return sum(isinstance(record, MappingsReading) for record in sink.records)

    meter = open_meter(exact_peak=False)
    budget = meter.rss() + 80 * MB
    meter.close()
    sink = MemorySink()
    with fwmemtrace.session(sink, probes=["mappings"], triggers=f"{budget}B", interval="1ms"):
        before = readings()
        block = new_memory(120 * MB)
        wait_until(lambda: readings() > before)
        block.close()
    assert [found.rss_bytes > budget for found in snapshots(sink)] == [True]


@pytest.mark.parametrize("condition", ["190%", "x%", "fast", "50/s", "psi:x%", "psi:10", "psi:200%"])
def test_a_condition_that_is_none_is_an_error(condition: str) -> None:
    with pytest.raises(SettingsError):
        fwmemtrace.session(MemorySink(), triggers=[condition])


@pytest.mark.slow
@linux
def test_a_process_that_dies_at_its_limit_has_said_what_it_was_doing(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import resource, time, fwmemtrace
        from fwmemtrace import phase
        limit = 600_000_000
        kept = []
        def fill():
            while True:
                kept.append(bytearray(5_000_000))
                time.sleep(0.01)
        with fwmemtrace.session("trace.bin", triggers="90%"):
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            with phase("load"):
                try:
                    fill()
                except MemoryError:
                    import os
                    os.kill(os.getpid(), 9)
        """,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    summary = fwmemtrace.read(tmp_path / "trace.bin").summary().trace
    assert summary.processes[0].last_phase == "load"
    note = next(note for note in summary.notes if "RLIMIT_AS" in note)
    assert "of 600.0 MB are in use" in note
    assert "fill (program.py:8)" in note or "fill (program.py:9)" in note


@pytest.mark.slow
def test_a_control_file_switches_the_session(tmp_path: Path, wait_until) -> None:
    done = run(
        tmp_path,
        """
        import os, time, fwmemtrace
        from fwmemtrace import phase
        def switch(word, reached):
            with open("control", "w") as file: file.write(word)
            deadline = time.monotonic() + 30
            while not reached():
                assert time.monotonic() < deadline, word
                time.sleep(0.05)
        from fwmemtrace.recording import switch as sessions
        first = fwmemtrace.start("trace.bin", control="control", interval=0)
        with phase("on"): pass
        switch("off", lambda: sessions._on is None)
        with phase("off"): pass
        switch("on", lambda: sessions._on is not None)
        with phase("on again"): pass
        fwmemtrace.stop()
        """,
    )
    assert done.returncode == 0, done.stderr
    found = [
        sorted(row.path for row in fwmemtrace.read(tmp_path / name).phases if row.path)
        for name in ("trace.bin", "trace-2.bin")
    ]
    assert found == [["on"], ["on again"]]


@pytest.mark.slow
@linux
def test_a_budget_that_was_passed_does_not_forbid_the_census(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import time
        import fwmemtrace
        from fwmemtrace.records import Note
        from fwmemtrace.sinks import MemorySink

        sink = MemorySink()
        with fwmemtrace.session(sink, triggers=["1MB"]):
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                time.sleep(0.01)
                notes = [record.message for record in list(sink.records) if isinstance(record, Note)]
                if any(note.startswith(("largest types", "no census")) for note in notes):
                    break
        print(*notes, sep="\\n")
        """,
    )
    assert done.returncode == 0, done.stderr
    assert "exceeds 1.0 MB" in done.stdout
    assert "largest types" in done.stdout
