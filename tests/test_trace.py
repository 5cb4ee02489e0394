"""`Trace`: asking for phases and processes, and reading files only when they have changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.errors import CaptureError
from fwmemtrace.records import PhaseBegin, PhaseEnd, SessionBegin, SessionEnd
from fwmemtrace.trace import process as process_module
from fwmemtrace.tracefile import reader
from fwmemtrace.tracefile.encode import frame, header


def session_begin(pid: int) -> SessionBegin:
    return SessionBegin(1, "id", pid, 1, "0", "3.11", "linux", ["x"], 0, 0, 100, 100, "kernel", ["resident"], {})


def write(path: Path, pid: int, *names: str, closed: bool = True) -> Path:
    """A trace with a phase of each name, one inside the other."""
    records = [session_begin(pid)]
    records += [PhaseBegin(span, span - 1, name, 1, span, 100 + span) for span, name in enumerate(names, 1)]
    records += [PhaseEnd(span, 100 - span, 200, 200) for span in range(len(names), 0, -1)]
    if closed:
        records.append(SessionEnd(1000, 200, 200, 0))
    path.write_bytes(header(pid) + b"".join(frame(record) for record in records))
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths of the trace files that are opened to read all of their records, as they are."""
    opened: list[Path] = []
    iterate = reader.TraceFile.__iter__

    def counted(file: reader.TraceFile):
        opened.append(file.path)
        return iterate(file)

    monkeypatch.setattr(reader.TraceFile, "__iter__", counted)
    return opened


def test_a_phase_is_found_by_its_path_as_text_or_as_names(tmp_path: Path) -> None:
    trace = fwmemtrace.read(write(tmp_path / "trace.bin", 1, "main", "GET /users", "load"))
    assert trace["main"].calls == 1
    assert trace[r"main/GET \/users/load"] is trace["main", "GET /users", "load"]
    assert trace["main", "GET /users"].name == "GET /users"
    assert trace[""] is trace[()] is trace.phases[-1]


def test_an_unknown_phase_is_a_key_error_that_names_a_similar_one(tmp_path: Path) -> None:
    trace = fwmemtrace.read(write(tmp_path / "trace.bin", 1, "main", "init"))
    with pytest.raises(KeyError, match=r"no phase 'main/inti'; did you mean 'main/init'\?"):
        trace["main/inti"]
    with pytest.raises(KeyError, match=r"no phase 'x'\"$"):
        trace["x"]


def test_each_process_has_its_own_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "trace.bin", 1, "serve")
    write(tmp_path / "trace.22.bin", 22, "serve", "work")
    trace = fwmemtrace.read(path)
    first, worker = trace.processes
    assert (first.pid, worker.pid) == (1, 22)
    assert (first.path, worker.path) == (path, tmp_path / "trace.22.bin")
    assert trace["serve"].pid == first["serve"].pid == 1
    assert worker["serve"].pid == 22
    assert trace["serve/work"].pid == 22
    assert [row.path for row in worker.phases] == ["serve", "serve/work", ""]
    assert [*first.records, *worker.records] == list(trace)
    assert trace.files == [first.file, worker.file]
    with pytest.raises(KeyError, match="serve/work"):
        first["serve/work"]


def test_len_is_the_number_of_records(tmp_path: Path) -> None:
    path = write(tmp_path / "trace.bin", 1, "serve")
    write(tmp_path / "trace.22.bin", 22, "serve", "work")
    trace = fwmemtrace.read(path)
    assert len(trace) == len([*trace]) == 4 + 6


def test_repr_tells_processes_phases_and_completeness(tmp_path: Path) -> None:
    path = write(tmp_path / "trace.bin", 1, "main", "init")
    assert repr(fwmemtrace.read(path)) == "<Trace trace.bin: 1 process, 2 phases, complete>"
    write(tmp_path / "trace.22.bin", 22, "main", closed=False)
    trace = fwmemtrace.read(path)
    assert repr(trace) == "<Trace trace.bin: 2 processes, 3 phases, incomplete>"
    assert repr(trace.processes[1]) == "<TracedProcess 22: trace.22.bin>"


def test_repr_of_a_trace_whose_file_is_gone_does_not_raise(tmp_path: Path) -> None:
    path = write(tmp_path / "trace.bin", 1, "main")
    trace = fwmemtrace.read(path)
    path.unlink()
    assert repr(trace) == "<Trace trace.bin: unreadable>"


def test_asking_again_does_not_read_the_file_again(tmp_path: Path, reads: list[Path]) -> None:
    trace = fwmemtrace.read(write(tmp_path / "trace.bin", 1, "main", "init"))
    first = trace.phases
    before = len(reads)
    for _ in range(5):
        assert trace.phases == first
        assert trace["main/init"] is first[1]
        assert "main" in trace.report("markdown", budget="300MB")
        assert len(trace) == 6
        assert "complete" in repr(trace)
    assert trace.summary(budget=1).budget.exceeded
    assert len(reads) == before


def test_a_list_taken_from_a_trace_may_be_changed(tmp_path: Path) -> None:
    trace = fwmemtrace.read(write(tmp_path / "trace.bin", 1, "main"))
    trace.phases.clear()
    trace.processes[0].phases.clear()
    assert [row.path for row in trace.phases] == ["main", ""]


def test_a_trace_that_has_grown_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "trace.bin", 1, "main", closed=False)
    trace = fwmemtrace.read(path)
    assert [row.path for row in trace.phases] == ["main", ""]
    with path.open("ab") as file:
        file.write(frame(PhaseBegin(9, 0, "later", 1, 2000, 300)))
    assert [row.path for row in trace.phases] == ["main", "later", ""]
    assert trace["later"].open_calls == 1
    assert len(trace) == 4


def test_a_session_can_be_read_while_it_is_on(tmp_path: Path) -> None:
    with fwmemtrace.session(tmp_path / "trace.bin", interval=0):
        with phase("first"):
            trace = fwmemtrace.read(tmp_path / "trace.bin")
            assert trace["first"].open_calls == 1
        with phase("second"):
            assert (trace["first"].open_calls, trace["second"].open_calls) == (0, 1)
        assert "incomplete" in repr(trace)
    assert trace["second"].open_calls == 0
    assert "complete" in repr(trace)


def test_reports_of_many_sizes_do_not_pile_up(tmp_path: Path) -> None:
    trace = fwmemtrace.read(write(tmp_path / "trace.bin", 1, "main"))
    for top in range(1, 20):
        trace.summary(top=top)
    assert len(trace.processes[0]._reports) <= 4


def test_a_trace_without_a_capture_says_so(tmp_path: Path) -> None:
    trace = fwmemtrace.read(write(tmp_path / "trace.bin", 1, "main"))
    for source in (trace, trace.processes[0]):
        with pytest.raises(CaptureError, match="no memray capture"), source.capture():
            pass


native = pytest.mark.skipif(os.name == "nt", reason="memray does not exist for Windows")


@native
def test_the_capture_is_read_once_and_again_only_for_more_stacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("memray")
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"], interval=0):
        with phase("init"):
            kept = [bytearray(size) for size in (100_000, 200_000, 300_000)]
            kept += [bytearray(400_000)]
    analyse, tops = process_module.analyse_capture, []

    def counted(file, top, *rest, **options):
        tops.append(top)
        return analyse(file, top, *rest, **options)

    monkeypatch.setattr(process_module, "analyse_capture", counted)
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    repr(trace)
    assert tops == []
    for _ in range(5):
        assert trace["init"].native.live_bytes >= 1_000_000
    assert tops == [10]
    assert len(trace.summary(top=1).phases[0].native.top) == 1
    assert len(trace["init"].native.top) > 1
    assert trace.summary(top=1, budget="1MB").budget.exceeded
    assert tops == [10]
    trace.summary(top=20)
    assert tops == [10, 20]
    assert len(kept) == 4


@native
def test_a_capture_that_was_not_read_to_its_end_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "trace.bin", 1, "main")
    results = iter(
        [process_module.CaptureResults({}, ["interrupted"], complete=False), process_module.CaptureResults({}, [])]
    )
    monkeypatch.setattr(process_module, "analyse_capture", lambda *_, **__: next(results))
    trace = fwmemtrace.read(path)
    assert trace.summary().trace.notes == ["interrupted"]
    assert trace.summary().trace.notes == []
    assert trace.summary().trace.notes == []
