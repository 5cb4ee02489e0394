"""The built-in sinks, and sinks that fail."""

from __future__ import annotations

import json
import logging
import textwrap
from pathlib import Path
from typing import Any

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.errors import SinkError
from fwmemtrace.recording.sink_guard import SinkGuard
from fwmemtrace.records import CaptureChunk, Note, PhaseBegin, Record, Sample
from fwmemtrace.sinks import CallbackSink, FanOutSink, JsonLinesSink, LoggingSink, MemorySink, TraceFileSink


def trace_into(sink: Any, **settings: Any) -> None:
    with fwmemtrace.session(sink, interval=0, **settings), phase("a", model="x"):
        pass


def names(records: list[Record]) -> list[str]:
    return [type(record).__name__ for record in records]


def test_json_lines_have_the_fields_of_the_records(tmp_path: Path) -> None:
    memory = MemorySink()
    trace_into(FanOutSink(memory, JsonLinesSink(tmp_path / "trace.jsonl")))
    lines = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    assert [line["record"] for line in lines] == names(memory.records)
    begin = next(line for line in lines if line["record"] == "PhaseBegin")
    written = next(record for record in memory.records if isinstance(record, PhaseBegin))
    assert {**begin, "record": None} == {**{f: getattr(written, f) for f in written.__struct_fields__}, "record": None}


def test_a_capture_s_bytes_are_left_out_of_json_lines(tmp_path: Path) -> None:
    sink = JsonLinesSink(tmp_path / "trace.jsonl")
    sink.write(CaptureChunk("memray", 0, 3, b"abc"))
    sink.close()
    assert json.loads((tmp_path / "trace.jsonl").read_text()) == {
        "record": "CaptureChunk",
        "tool": "memray",
        "offset": 0,
        "total": 3,
        "data": 3,
    }


def test_a_sink_is_chosen_by_name(tmp_path: Path) -> None:
    with fwmemtrace.session(tmp_path / "x.jsonl", sink="jsonl"), phase("a"):
        pass
    assert '"name":"a"' in (tmp_path / "x.jsonl").read_text()


def test_a_callback_gets_every_record() -> None:
    got: list[Record] = []
    trace_into(CallbackSink(got.append))
    assert names(got)[0] == "SessionBegin"
    assert names(got)[-1] == "SessionEnd"


def test_logging_has_the_fields_where_handlers_find_them(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="fwmemtrace")
    sink = LoggingSink()
    sink.write(Note(1, "native", "cannot work here"))
    sink.write(Sample(1, 2, 3))
    sink.write(CaptureChunk("memray", 0, 3, b"abc"))
    trace_into(sink)
    first = caplog.records[0]
    assert first.levelno == logging.WARNING
    assert first.fwmemtrace == {  # type: ignore[attr-defined]
        "record": "Note",
        "time_ns": 1,
        "source": "native",
        "message": "cannot work here",
    }
    messages = [record.getMessage() for record in caplog.records]
    assert any(message.startswith("PhaseBegin span=1 parent=0 name=a") for message in messages)
    assert not any(message.startswith(("Sample", "CaptureChunk")) for message in messages)


class Failing:
    def __init__(self, fails_at: str) -> None:
        self.fails_at = fails_at

    def _do(self, what: str) -> None:
        if what == self.fails_at:
            raise ZeroDivisionError(what)

    def write(self, record: Record) -> None:
        self._do("write")

    def flush(self) -> None:
        self._do("flush")

    def close(self) -> None:
        self._do("close")


def test_a_sink_is_flushed_and_closed_if_it_can_be() -> None:
    calls: list[str] = []

    class Complete:
        def write(self, record: Record) -> None: ...

        def flush(self) -> None:
            calls.append("flush")

        def close(self) -> None:
            calls.append("close")

    trace_into(FanOutSink(Complete(), CallbackSink(calls.append)))
    assert [call for call in calls if isinstance(call, str)] == ["flush", "close"]


@pytest.mark.parametrize("fails_at", ["write", "flush", "close"])
def test_a_fan_out_drops_the_sink_that_raises_with_a_note_to_the_others(fails_at: str) -> None:
    memory, failing = MemorySink(), Failing(fails_at)
    fan_out = FanOutSink(failing, memory)
    trace_into(fan_out)
    assert fan_out.failures == {"Failing": f"ZeroDivisionError('{fails_at}')"}
    notes = [record for record in memory.records if isinstance(record, Note)]
    assert [note.source for note in notes] == ["Failing"]
    assert "SessionEnd" in names(memory.records)
    assert memory.closed


def test_a_fan_out_fails_once_all_of_its_sinks_have() -> None:
    with pytest.warns(RuntimeWarning, match="every sink failed"):
        trace_into(FanOutSink(Failing("write")))


def test_the_trace_file_of_a_fan_out_is_the_session_s(tmp_path: Path) -> None:
    sink = FanOutSink(MemorySink(), TraceFileSink(tmp_path / "trace.bin"))
    with fwmemtrace.session(sink) as session:
        assert session.path == str(tmp_path / "trace.bin")
    assert fwmemtrace.read(tmp_path / "trace.bin").summary().trace.complete


def test_a_thread_that_is_about_to_write_when_the_session_stops_fails_nothing(recwarn: pytest.WarningsRecorder) -> None:
    """It must not close the sink a second time: by then another file may have the number of its descriptor."""

    class Slow:
        closed = 0

        def write(self, record: Record) -> None:
            if isinstance(record, PhaseBegin):
                guard.close()  # what the thread that stops the session does meanwhile
                raise OSError("closed")

        def flush(self) -> None: ...

        def close(self) -> None:
            self.closed += 1

    sink = Slow()
    guard = SinkGuard(sink)
    guard.emit(PhaseBegin(1, 0, "late", 1, 1, 1, None))
    assert (sink.closed, guard.failure, guard.lost) == (1, None, 0)
    assert not recwarn.list


def test_a_trace_file_that_is_closed_twice_closes_no_file_of_another(tmp_path: Path) -> None:
    sink = TraceFileSink(tmp_path / "trace.bin")
    sink.close()
    with (tmp_path / "mine").open("w") as mine:  # gets the number that has become free
        sink.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            sink.write(Note(1, "session", "late"))
        mine.write("whole")
    assert (tmp_path / "mine").read_text() == "whole"


def test_a_sink_needs_only_write() -> None:
    class Mine:
        seen = 0

        def write(self, record: Record) -> None:
            self.seen += 1

    mine = Mine()
    with fwmemtrace.session(sink=mine, interval=0), phase("a"):
        pass
    assert mine.seen >= 4


def test_a_sink_named_by_an_entry_point_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other_sink.py").write_text(
        textwrap.dedent(
            """
            made = []
            class OtherSink:
                def __init__(self, target="nothing"):
                    self.target, self.records = target, []
                    made.append(self)
                def write(self, record): self.records.append(record)
                def flush(self): pass
                def close(self): pass
            """
        )
    )
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[fwmemtrace.sinks]\nother = other_sink:OtherSink\nbroken = no_such_module:Sink\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with fwmemtrace.session("there", sink="other"), phase("a"):
        pass
    import other_sink  # type: ignore[import-not-found]

    (sink,) = other_sink.made
    assert sink.target == "there"
    assert "PhaseBegin" in names(sink.records)
    with pytest.raises(fwmemtrace.SettingsError, match="no_such_module"):
        fwmemtrace.session(sink="broken")


def test_a_sink_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot be written"):
        JsonLinesSink(tmp_path / "no" / "folder.jsonl")
    with pytest.raises(SinkError, match="the sink 'memory' cannot be made"):
        fwmemtrace.session(tmp_path / "x", sink="memory")
