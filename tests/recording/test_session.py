"""Sessions: how they start and stop, and what happens if a probe or sink raises."""

from __future__ import annotations

import mmap
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import psutil
import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.errors import PhaseError, SessionError, SettingsError, SinkError
from fwmemtrace.paths import write
from fwmemtrace.probes import Probe
from fwmemtrace.recording.session import Session
from fwmemtrace.recording.switch import stop
from fwmemtrace.records import Note, PhaseAttributes, PhaseBegin, PhaseEnd, Sample, SessionBegin, SessionEnd
from fwmemtrace.sinks import MemorySink

MB = 10**6
NewMemory: TypeAlias = Callable[[int], mmap.mmap]


def start_with(sink: Any, *probes: Probe, **settings: Any) -> Session:
    """Start a session with probes of the test's own."""
    return fwmemtrace.start(sink, probes=probes, interval=0, **settings)


class Broken(Probe):
    name = "broken"

    def __init__(self, where: str) -> None:
        self.where = where
        self.stopped = False

    def start(self, context: Any) -> None:
        self._fail("start")

    def phase_began(self, span: Any) -> None:
        self._fail("phase_began")

    def phase_ended(self, span: Any, state: Any) -> None:
        self._fail("phase_ended")

    def stop(self) -> None:
        self.stopped = True
        self._fail("stop")

    def _fail(self, where: str) -> None:
        if where == self.where:
            raise ZeroDivisionError(f"in {where}")


@pytest.mark.parametrize("where", ["start", "phase_began", "phase_ended", "stop"])
def test_a_probe_that_raises_is_switched_off_noted_and_counted(where: str) -> None:
    sink, probe = MemorySink(), Broken(where)

    def three_phases() -> None:
        with start_with(sink, probe):
            for _ in range(3):
                with phase("a"):
                    pass

    with pytest.warns(RuntimeWarning, match="broken") as caught:
        three_phases()
    assert len(caught) == 1
    notes = [record for record in sink.records if isinstance(record, Note)]
    assert [note.source for note in notes] == ["broken"]
    assert f"in {where}" in notes[0].message
    ends = [record for record in sink.records if isinstance(record, PhaseEnd)]
    assert [end.error for end in ends] == [None] * 3
    assert probe.stopped == (where != "start")
    last = sink.records[-1]
    assert isinstance(last, SessionEnd)
    assert last.errors.get("broken", 0) == (0 if where == "start" else 1)


def test_a_warning_that_is_an_error_does_not_reach_the_program() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with start_with(MemorySink(), Broken("phase_began")), phase("a"):
            pass


class FullDisk(MemorySink):
    def write(self, record: Any) -> None:
        if len(self.records) == 3:
            raise OSError("no space left")
        super().write(record)


def test_a_sink_that_raises_is_switched_off_and_the_loss_counted() -> None:
    sink = FullDisk()
    session = start_with(sink)

    def five_phases() -> None:
        with session:
            for _ in range(5):
                with phase("a"):
                    pass

    with pytest.warns(RuntimeWarning, match="no space left") as caught:
        five_phases()
    assert len(caught) == 1
    assert len(sink.records) == 3
    assert sink.closed
    assert session.lost_records > 5


def test_a_process_has_one_session() -> None:
    with fwmemtrace.session(MemorySink()):
        with pytest.raises(SessionError, match="already"):
            fwmemtrace.session(MemorySink())
    with fwmemtrace.session(MemorySink()):
        pass


def test_start_and_stop_do_what_the_block_does() -> None:
    sink = MemorySink()
    fwmemtrace.start(sink)
    with phase("a"):
        pass
    fwmemtrace.stop()
    with phase("b"):
        pass
    assert [record.name for record in sink.records if isinstance(record, PhaseBegin)] == ["a"]
    assert sink.closed
    with pytest.raises(SessionError, match=r"start\(\)"):
        stop()


def test_records_begin_and_end_with_the_session() -> None:
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0), phase("a", model="minilm", size=3, ratio=0.5, big=True):
        pass
    first, last = sink.records[0], sink.records[-1]
    assert isinstance(first, SessionBegin)
    assert isinstance(last, SessionEnd)
    begin = next(record for record in sink.records if isinstance(record, PhaseBegin))
    assert begin.attributes == {"model": "minilm", "size": 3, "ratio": 0.5, "big": True}


def test_the_timeline_samples_what_happens_between_edges(
    new_memory: NewMemory, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    sink = MemorySink()

    def latest() -> int:
        return next((record.rss_bytes for record in reversed(sink.records) if isinstance(record, Sample)), 0)

    before = psutil.Process().memory_info().rss
    with fwmemtrace.session(sink, interval=0.005):
        ballast = new_memory(64 * MB)
        wait_until(lambda: latest() - before > 60 * MB)
        ballast.close()
        wait_until(lambda: latest() - before < 10 * MB)
    assert not [thread for thread in threading.enumerate() if "fwmemtrace" in thread.name]


def test_the_peak_of_a_phase_is_exact_and_not_that_of_its_neighbours(new_memory: NewMemory) -> None:
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0), phase("outer"):
        with phase("before"):
            pass
        with phase("burst"):
            new_memory(200 * MB).close()
        with phase("after"):
            pass
    begins = {record.span: record for record in sink.records if isinstance(record, PhaseBegin)}
    rise = {
        begins[end.span].name: end.peak_rss_bytes - begins[end.span].rss_bytes
        for end in sink.records
        if isinstance(end, PhaseEnd)
    }
    assert abs(rise["burst"] - 200 * MB) < MB
    assert abs(rise["outer"] - 200 * MB) < MB
    assert rise["before"] < MB
    assert rise["after"] < MB


def test_a_phase_can_ask_for_less() -> None:
    class Counting(Probe):
        name = "counting"
        seen: list[str] = []

        def phase_began(self, span: Any) -> None:
            self.seen.append(write(span.path))

    with start_with(MemorySink(), Counting()):
        with phase("all"), phase("hot", probes=["resident"]):
            pass
        with phase("some", probes=["counting"]):
            pass
    assert Counting.seen == ["all", "some"]


def test_what_a_probe_costs_is_recorded_as_its_own(new_memory: NewMemory) -> None:
    class Hoarder(Probe):
        name = "hoarder"

        def __init__(self) -> None:
            self.kept: list[mmap.mmap] = []

        def phase_ended(self, span: Any, state: Any) -> None:
            self.kept.append(new_memory(40 * MB))

    from fwmemtrace.records import Overhead

    sink = MemorySink()
    with start_with(sink, Hoarder()), phase("outer"), phase("inner"):
        pass
    costs = [record for record in sink.records if isinstance(record, Overhead) and record.probe == "hoarder"]
    spans = {record.span: record.name for record in sink.records if isinstance(record, PhaseBegin)}
    by_name = {spans[cost.span]: cost.rss_bytes for cost in costs if cost.span}
    assert all(abs(size - 40 * MB) < MB for size in by_name.values())
    assert set(by_name) == {"outer", "inner"}


def test_a_trace_file_that_cannot_be_created_is_an_error_and_no_session_is_on(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot be written"):
        fwmemtrace.session(tmp_path / "no such folder" / "trace.bin")
    with fwmemtrace.session(tmp_path / "trace.bin"):
        pass


def test_the_error_for_an_unknown_probe_or_sink_suggests_names() -> None:
    with pytest.raises(SettingsError, match=r"'rezident'.*resident"):
        fwmemtrace.session(MemorySink(), probes=["rezident"])
    with pytest.raises(SettingsError, match=r"'paper'.*trace_file"):
        fwmemtrace.session(sink="paper")
    with fwmemtrace.session(MemorySink()):
        pass


def test_the_previous_tracer_is_restored_after_a_session() -> None:
    """Such as the one that leaves markers for other tools if FWMEMTRACE_MARKERS is set."""
    from fwmemtrace.tracing import active, phases
    from fwmemtrace.tracing import span as span_module

    seen: list[str] = []

    class Quiet:
        def begin(self, phase: phases.Phase) -> span_module.Span:
            seen.append(phase.name)
            span = span_module.Span()
            span.phase, span.parent, span.closed, span.tracer = phase, None, False, self
            return span

        def end(self, span: span_module.Span, error: type[BaseException] | None) -> None: ...

        def switch(self, span: span_module.Span | None) -> None: ...

        def annotate(self, span: span_module.Span, attributes: dict[str, span_module.Attribute]) -> None: ...

    before = active.install(Quiet())
    try:
        with phase("a"):
            pass
        with fwmemtrace.session(MemorySink()), phase("b"):
            pass
        with phase("c"):
            pass
    finally:
        active.install(before)
    assert seen == ["a", "c"]


def test_annotate_adds_attributes_to_the_current_phase(tmp_path: Path) -> None:
    fwmemtrace.annotate(lost=True)  # no session is on
    with fwmemtrace.session(tmp_path / "trace.bin"):
        fwmemtrace.annotate(lost=True)  # outside any phase
        with phase("request", method="GET"):
            with phase("inner"):
                pass
            fwmemtrace.annotate(status=200)
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    added = [record for record in trace if isinstance(record, PhaseAttributes)]
    begun = {record.name: record.span for record in trace if isinstance(record, PhaseBegin)}
    assert added == [PhaseAttributes(begun["request"], {"status": 200})]
    assert trace["request"].attributes == {"method": "GET", "status": 200}


def test_annotate_rejects_what_is_no_attribute() -> None:
    with pytest.raises(PhaseError, match=r"annotate\(\): the attribute body is a bytes"):
        fwmemtrace.annotate(body=b"x")  # type: ignore[arg-type]
