"""The recorder in the compiled core writes the same bytes as that in Python, whatever happens at the edges."""

from __future__ import annotations

import contextvars
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fwmemtrace
from fwmemtrace import core, phase
from fwmemtrace.recording import phase_recorder
from fwmemtrace.recording.compiled_recorder import CompiledRecorder
from fwmemtrace.recording.phase_recorder import PhaseRecorder
from fwmemtrace.records import Note, PhaseBegin, Record, Sample
from fwmemtrace.redaction import Redactor
from fwmemtrace.sinks import MemorySink, TraceFileSink
from fwmemtrace.system.peaks import PhasePeaks
from fwmemtrace.tracing.span import Span, current

COMPILED: Any = core.load()[0]
pytestmark = pytest.mark.skipif(
    not hasattr(COMPILED, "PhaseEdges"), reason="the compiled core is not built, or switched off"
)


class Named(NamedTuple):
    """A phase with a name that `Phase` would not have."""

    name: str
    attributes: dict[str, Any] | None = None
    probes: None = None


class Odd(str):
    """A name that is no exact `str`."""


class World:
    """A meter and probes that do what the steps say, and a clock."""

    peak_source = "sampled"

    def __init__(self, emit: Callable[[Record], object], *, hears: str, measures: bool) -> None:
        self.emit = emit
        self.hears_outermost, self.hears_inner = hears != "nothing", hears == "all"
        self.measures = measures
        self.hears_switches = True
        self.level = self.mark = 40_960
        self.raises: type[BaseException] | None = None
        self.time = 10**9

    def clock(self) -> int:
        self.time += 77
        return self.time

    def rss(self) -> int:
        return self.level

    def peak(self) -> int:
        return self.mark

    def reset_peak(self) -> None:
        self.mark = self.level

    def move(self, level: int) -> None:
        self.level = level
        self.mark = max(self.mark, level)

    def phase_began(self, span: Span) -> None:
        self.move(self.level + 4096)
        self.emit(Note(span.id, "began", f"{span.thread_id == span.peak_index} {span.closed}"))
        if self.raises is not None:
            raised, self.raises = self.raises, None
            raise raised

    def phase_ended(self, span: Span) -> None:
        self.emit(Note(span.id, "ended", str(span.peak_index)))
        self.phase_began(span)

    def switched(self, span: Span | None) -> None:
        self.emit(Note(0 if span is None else span.id, "switched", ""))


TEXTS = st.one_of(
    st.text(min_size=1, max_size=40),
    st.sampled_from(["x" * 31, "x" * 32, "x" * 255, "x" * 256, "é" * 400, "y" * 1100, "z" * 70_000, "\ud800"]),
)
VALUES = st.one_of(
    TEXTS,
    st.booleans(),
    st.floats(),
    st.sampled_from([b"bytes", None, 2**64, -(2**63) - 1, Odd("odd")]),
    st.integers(-(2**63), 2**64 - 1),
    st.integers(-200, 300),
)
PHASES = st.builds(
    Named,
    st.one_of(TEXTS, TEXTS.map(Odd)),
    st.one_of(st.none(), st.dictionaries(st.one_of(TEXTS, st.just("password")), VALUES, max_size=17)),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), PHASES),
        st.tuples(st.just("begin"), st.just(Named("request"))),
        st.tuples(st.just("end"), st.integers(0, 10)),
        st.tuples(st.just("fail"), st.integers(0, 10)),
        st.tuples(st.just("annotate"), st.integers(0, 10)),
        st.tuples(st.just("switch"), st.integers(0, 10)),
        st.tuples(st.just("move"), st.integers(1, 2**50)),
        st.tuples(st.just("raise"), st.sampled_from([ValueError, KeyboardInterrupt, RecursionError])),
    ),
    max_size=40,
)


def play(steps: list[tuple[str, Any]], make: Any, world: World, failures: list[str]) -> Iterator[object]:
    """Take the steps with one recorder, and yield what the program sees of it."""
    recorder: PhaseRecorder = make(world, failures)
    spans: list[Span] = []
    for action, argument in steps:
        span = spans[argument % len(spans)] if spans and isinstance(argument, int) else None
        try:
            if action == "begin":
                spans.append(recorder.begin(argument))
            elif action == "move":
                world.move(argument)
            elif action == "raise":
                world.raises = argument
            elif span is not None and action == "end":
                recorder.end(span, None)
            elif span is not None and action == "fail":
                recorder.end(span, ZeroDivisionError)
            elif span is not None and action == "annotate":
                recorder.annotate(span, {"status": 200})
            elif span is not None and action == "switch":
                current.set(span)
                recorder.switch(span)
        except BaseException as error:
            yield type(error)
        for each in spans:
            yield each.id, each.parent and each.parent.id, each.closed, each.peak_index, each.state, each.thread_id
        now = current.get()
        yield None if now is None else now.id
    yield recorder.finish()
    yield world.level, world.mark, world.time
    for span in spans:
        recorder.end(span, None)


@pytest.mark.slow
@pytest.mark.parametrize("exact_peak", [True, False])
@pytest.mark.parametrize("hears", ["nothing", "outermost", "all"])
@settings(deadline=None, max_examples=100)
@given(steps=STEPS, measures=st.booleans())
def test_both_recorders_write_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    exact_peak: bool,
    hears: str,
    steps: list[tuple[str, Any]],
    measures: bool,
) -> None:
    folder = tmp_path_factory.mktemp("edges")
    outcomes: list[tuple[list[object], list[str], bytes]] = []
    for kind in (PhaseRecorder, CompiledRecorder):
        sink = TraceFileSink(folder / f"{kind.__name__}.bin")

        def make(world: World, failures: list[str], kind: Any = kind, sink: TraceFileSink = sink) -> PhaseRecorder:
            own = {"window": lambda: sink.window, "clock": world.clock} if kind is CompiledRecorder else {}
            recorder: PhaseRecorder = kind(
                sink.write,
                world,
                world,
                exact_peak=exact_peak,
                redact=Redactor().attributes,
                on_failure=lambda error: failures.append(repr(error)),
                **own,
            )
            return recorder

        world, failures = World(sink.write, hears=hears, measures=measures), list[str]()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(phase_recorder, "perf_counter_ns", world.clock)
            seen = contextvars.Context().run(lambda w=world, m=make, f=failures: list(play(steps, m, w, f)))
        sink.close()
        outcomes.append((seen, failures, Path(sink.path).read_bytes()))
    assert outcomes[0] == outcomes[1]


@given(
    st.lists(
        st.tuples(st.sampled_from(["begin", "leave", "end", "move", "edge", "skip"]), st.integers(0, 1000)),
        max_size=200,
    )
)
def test_peaks_are_those_of_the_class_in_python(steps: list[tuple[str, int]]) -> None:
    outcomes = []
    for kind in (PhasePeaks, lambda *meter: COMPILED.PhasePeaks(*meter, None)):
        world, ids, seen = World(lambda _: None, hears="outermost", measures=False), count(1), list[object]()
        peaks = kind(world.peak, world.reset_peak)
        edges: list[int] = []
        for action, number in steps:
            if action == "begin":
                edges.append(peaks.begin(next(ids), world.rss()))
            elif action == "move":
                world.move(number)
            elif action == "leave":
                peaks.leave(number % 7)
            elif action == "end" and edges:
                seen.append(peaks.end(edges[number % len(edges)], world.rss()))
            elif action in ("edge", "skip"):
                getattr(peaks, action)()
        outcomes.append((edges, seen, peaks.finish(), peaks.finish(), world.mark))
    assert outcomes[0] == outcomes[1]


def test_a_sink_that_has_no_window_gets_records() -> None:
    memory = MemorySink()
    with fwmemtrace.session(memory, interval=0), phase("a", model="x"), phase("b"):
        pass
    begins = [record for record in memory.records if isinstance(record, PhaseBegin)]
    assert [(begin.name, begin.parent, begin.attributes) for begin in begins] == [
        ("a", 0, {"model": "x"}),
        ("b", begins[0].span, {}),
    ]


def test_a_sink_that_changes_what_a_trace_file_writes_gets_records(tmp_path: Path) -> None:
    class Counting(TraceFileSink):
        written = 0

        def write(self, record: Record) -> None:
            self.written += isinstance(record, PhaseBegin)
            super().write(record)

    sink = Counting(tmp_path / "trace.bin")
    with fwmemtrace.session(sink, interval=0):
        for _ in range(10):
            with phase("a"):
                pass
    assert sink.written == 10


def test_the_records_of_other_threads_and_probes_are_between_those_of_phases(tmp_path: Path) -> None:
    with fwmemtrace.session(tmp_path / "trace.bin", interval=0) as session:
        for number in range(3000):
            with phase("a"):
                session.record(Sample(number, 1, 2))
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    kinds = [type(record).__name__ for record in trace if type(record).__name__ in ("PhaseBegin", "Sample", "PhaseEnd")]
    assert kinds == ["PhaseBegin", "Sample", "PhaseEnd"] * 3000
    assert trace.summary().trace.complete


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_phase_in_an_earlier_fork_handler_is_in_nobody_s_trace(run_program: Any) -> None:
    """It runs before the session knows that this is another process."""
    done = run_program(
        """
        import os, fwmemtrace
        from fwmemtrace import phase
        def in_child():
            for _ in range(2000):
                with phase("too early"): pass
        os.register_at_fork(after_in_child=in_child)
        with fwmemtrace.session("trace.bin", interval=0):
            pid = os.fork()
            if pid == 0:
                with phase("child"): os._exit(0)
            os.waitpid(pid, 0)
            with phase("parent"): pass
        trace = fwmemtrace.read("trace.bin").summary()
        print(sorted(row.path for row in trace.phases if row.path), trace.trace.damaged_bytes)
        """
    )
    assert done.stdout == "['child', 'parent'] 0\n"
