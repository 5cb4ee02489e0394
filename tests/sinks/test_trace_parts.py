"""A trace below a size: the first and the newest parts are kept, and what was dropped is counted."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fwmemtrace
from builders import session_begin
from fwmemtrace import phase
from fwmemtrace.analysis.process_analysis import ProcessAnalysis
from fwmemtrace.errors import SinkError, TraceFileError
from fwmemtrace.records import (
    CallTotals,
    PhaseBegin,
    PhaseEnd,
    Record,
    SessionEnd,
    TracePart,
    UnmeasuredCalls,
)
from fwmemtrace.sinks import JsonLinesSink, TraceFileSink
from fwmemtrace.sinks.trace_parts import TraceParts
from fwmemtrace.trace.live import LiveTrace
from fwmemtrace.tracefile.follow import FollowedFile
from fwmemtrace.tracefile.reader import open_trace_file

_REPEATED = (TracePart, CallTotals)


@st.composite
def traces(draw: st.DrawFn) -> list[Record]:
    """The records of phases that overlap as those of several threads do, some of them counted only."""
    records: list[Record] = [session_begin(1000)]
    open_: list[int] = []
    span = now = 0
    for choice in draw(st.lists(st.integers(0, 9), max_size=80)):
        now += 5
        if choice < 4:
            span += 1
            parent = open_[choice % len(open_)] if open_ and choice else 0
            records.append(PhaseBegin(span, parent, "abc"[choice % 3], choice, now, 1000 + now))
            open_.append(span)
        elif choice < 8 and open_:
            ended = open_.pop(choice * 7 % len(open_))
            records.append(PhaseEnd(ended, now, 1000 + now, 2000 + now, "ValueError" if choice == 7 else None))
        elif choice == 8:
            records.append(UnmeasuredCalls(["a", "b"], 3, 30, {"KeyError": 1}))
    records.append(SessionEnd(now, 1000 + now, 5000, 0, {}))
    return records


def analysed(records: list[Record]) -> dict[str, tuple[int, int, dict[str, int], int]]:
    analysis = ProcessAnalysis(42)
    analysis.read(records)
    rows = analysis.report().phases
    return {row.path: (row.calls, row.errors, row.error_types, row.open_calls) for row in rows}


def is_begin_or_end(records: list[Record]) -> dict[tuple[type[Record], int], int]:
    found: dict[tuple[type[Record], int], int] = {}
    for record in records:
        if isinstance(record, (PhaseBegin, PhaseEnd)):
            found[type(record), record.span] = found.get((type(record), record.span), 0) + 1
    return found


@pytest.mark.slow
@given(traces(), st.integers(300, 6000))
@settings(max_examples=40)
def test_calls_are_exact_whatever_was_dropped(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], size: int
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    sink = TraceFileSink(folder / "t.bin", max_size=size)
    for record in records:
        sink.write(record)
    sink.close()

    read = list(open_trace_file(folder / "t.bin"))

    assert analysed(read) == analysed(records)
    kept = [record for record in read if not isinstance(record, _REPEATED)]
    assert all(record in records for record in kept)
    assert set(is_begin_or_end(kept).values()) <= {1}  # nothing comes twice
    if not any(isinstance(record, TracePart) for record in read):
        assert kept == records
    shutil.rmtree(folder)


@given(traces(), st.integers(300, 2000), st.integers(1, 40))
@settings(max_examples=20)
def test_a_follower_reads_every_record_once_or_starts_over(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], size: int, every: int
) -> None:
    folder = tmp_path_factory.mktemp("followed")
    sink = TraceFileSink(folder / "t.bin", max_size=size)
    sink.write(records[0])
    followed = FollowedFile(open_trace_file(folder / "t.bin"))
    found: list[Record] = []
    for number, record in enumerate(records[1:]):
        sink.write(record)
        if number % every == 0:
            found += followed.new_records()
    sink.close()
    found += followed.new_records()

    if followed.replaced:
        followed = FollowedFile(open_trace_file(folder / "t.bin"))
        assert next(followed.new_records()) == records[0]
    else:
        assert found == records
    shutil.rmtree(folder)


def _requests(number: int) -> None:
    for _ in range(number):
        with phase("request"), phase("inner"):
            pass


def test_a_session_s_trace_stays_below_its_size(tmp_path: Path) -> None:
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(TraceFileSink(path, max_size=40_000), interval=0), phase("serve"):
        _requests(500)

    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 40_000
    trace = fwmemtrace.read(path)
    summary = trace.summary()
    assert {row.path: row.calls for row in trace.phases} == {
        "serve": 1,
        "serve/request": 500,
        "serve/request/inner": 500,
        "": 1,
    }
    assert (summary.trace.complete, summary.trace.damaged_bytes) == (False, 0)
    assert summary.trace.dropped_records > 500
    assert f"{summary.trace.dropped_records:,} records of the middle were dropped" in trace.report("markdown")


def test_a_further_part_is_not_a_trace_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(TraceFileSink(path, max_size=20_000), interval=0):
        _requests(100)
    part = open_trace_file(path).paths[1]

    with pytest.raises(TraceFileError, match=r"part-\d+ is a part of .*trace\.bin; read that"):
        fwmemtrace.read(part)


def test_parts_of_another_trace_are_ignored_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(TraceFileSink(path, max_size=20_000), interval=0):
        _requests(200)
    strange = open_trace_file(path).paths[1:]
    path.unlink()

    with fwmemtrace.session(TraceFileSink(path, max_size=20_000), interval=0):
        _requests(100)

    assert fwmemtrace.read(path)["request"].calls == 100
    assert all(part.exists() for part in strange)


def test_overwriting_removes_the_parts(tmp_path: Path) -> None:
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(TraceFileSink(path, max_size=20_000), interval=0):
        _requests(200)

    with fwmemtrace.session(path, overwrite=True, interval=0):
        _requests(1)

    assert [file.name for file in tmp_path.iterdir()] == ["trace.bin"]


def test_a_trace_goes_on_where_no_part_can_be_created(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    moved = tmp_path / "moved"
    with fwmemtrace.session(TraceFileSink(folder / "trace.bin", max_size=20_000), interval=0) as session:
        folder.rename(moved)
        _requests(200)
        assert session.lost_records == 0

    assert fwmemtrace.read(moved / "trace.bin")["request"].calls == 200


@pytest.mark.parametrize("at", ["start", "began"])
def test_an_exception_of_a_signal_handler_costs_no_part(at: str, tmp_path: Path, monkeypatch: Any) -> None:
    interrupted = []

    def interrupt(parts: TraceParts, *arguments: Any) -> Any:
        if len(interrupted) < 3:
            interrupted.append(at)
            raise KeyboardInterrupt
        return original(parts, *arguments)

    original = getattr(TraceParts, at)
    monkeypatch.setattr(TraceParts, at, interrupt)
    sink = TraceFileSink(tmp_path / "t.bin", max_size=3_000)
    records: list[Record] = [session_begin(0)]
    sink.write(records[0])
    for span in range(1, 200):
        for record in (PhaseBegin(span, 0, "a", 1, span, 0), PhaseEnd(span, span, 0, 0)):
            while True:  # the program's phase would end at the interruption
                try:
                    sink.write(record)
                    break
                except KeyboardInterrupt:
                    pass
    sink.close()

    assert len(interrupted) == 3
    rows = analysed(list(open_trace_file(tmp_path / "t.bin")))
    assert rows["a"] == (199, 0, {}, 0)


def test_a_device_has_no_parts() -> None:
    sink = TraceFileSink("/dev/null", max_size=1000)
    for number in range(100):
        sink.write(PhaseBegin(number, 0, "a", 1, number, 0))
    sink.close()

    assert not Path("/dev/null.part-2").exists()


@pytest.fixture
def device(tmp_path: Path) -> Callable[[int], Path]:
    def make(minor: int) -> Path:
        path = tmp_path / "device"
        try:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, minor))
            path.open("wb").close()
        except (OSError, AttributeError) as error:
            pytest.skip(f"devices cannot be made here: {error}")
        return path

    return make


def test_a_device_that_is_full_stays(device: Callable[[int], Path]) -> None:
    path = device(7)  # /dev/full
    with pytest.raises(SinkError, match="No space left"):
        fwmemtrace.session(path)
    assert stat.S_ISCHR(path.lstat().st_mode)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_nothing_is_created_beside_a_device(device: Callable[[int], Path]) -> None:
    path = device(3)  # /dev/null
    for sink in (TraceFileSink(path), JsonLinesSink(path)):
        with fwmemtrace.session(sink, interval=0):
            pid = os.fork()
            if pid == 0:
                _requests(1)
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
    assert list(path.parent.iterdir()) == [path]


def test_a_live_view_follows_the_parts(tmp_path: Path) -> None:
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(TraceFileSink(path, max_size=20_000), interval=0):
        live = LiveTrace(path)
        for calls in range(50, 501, 50):  # also where more is written between two looks than is kept
            _requests(50)
            live.look()
            rows = {row.path: row.calls for row in live.look().phases}
            assert rows["request"] == calls


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_kill_at_any_moment_leaves_all_that_was_written(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / f"{number}.bin"
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            fwmemtrace.start(TraceFileSink(path, max_size=10_000), interval=0)
            ended = 0
            while True:
                _requests(1)
                ended += 1
                os.write(writer, b".")
        os.close(writer)
        ended = 0
        while ended < 100 + 7 * number:
            ended += len(os.read(reader, 1))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with os.fdopen(reader, "rb") as rest:
            ended += len(rest.read())

        trace = fwmemtrace.read(path)

        assert ended <= trace["request"].calls <= ended + 1
        assert trace.summary().trace.damaged_bytes == 0
