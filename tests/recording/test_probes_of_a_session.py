"""What a session calls of its probes: hooks that are overridden, for phases that want them, in their order."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

import fwmemtrace
from fwmemtrace import phase, plugins
from fwmemtrace.config import load
from fwmemtrace.probes import Probe, ProbeContext, Span
from fwmemtrace.recording.from_settings import make_probes
from fwmemtrace.recording.probe_set import ProbeSet
from fwmemtrace.records import Footprint, Note, Overhead, PhaseBegin, PhaseEnd, Record
from fwmemtrace.sinks import MemorySink
from fwmemtrace.tracing.span import open_spans
from programs import run_program

HOOKS = ("phase_began", "phase_ended", "switched")


class Listening(Probe):
    """Keeps the calls of its hooks."""

    name = "listening"

    def __init__(self) -> None:
        self.calls: list[Any] = []


class Keeps(Listening):
    """Returns a new state for each run."""

    name = "keeps"

    def phase_began(self, span: Span) -> object:
        state = [span.phase.name]
        self.calls.append(state)
        return state

    def phase_ended(self, span: Span, state: object) -> None:
        self.calls.append((span.phase.name, state))


def spans(records: Sequence[Record]) -> dict[str, int]:
    return {record.name: record.span for record in records if isinstance(record, PhaseBegin)}


def records_of(records: Sequence[Record], span: int) -> set[str]:
    return {type(record).__name__ for record in records if getattr(record, "span", None) == span}


def test_what_a_phase_s_begin_returns_is_passed_to_its_end() -> None:
    probe = Keeps()
    with fwmemtrace.session(MemorySink(), probes=[probe], interval=0):
        with phase("outer"), phase("inner"):
            pass
    outer, inner, (inner_name, inner_state), (outer_name, outer_state) = probe.calls
    assert (outer_name, inner_name) == ("outer", "inner")
    assert inner_state is inner
    assert outer_state is outer


def test_runs_that_overlap_in_threads_have_states_of_their_own() -> None:
    probe, barrier = Keeps(), threading.Barrier(2)

    def work(name: str) -> None:
        with phase(name):
            barrier.wait(timeout=600)

    with fwmemtrace.session(MemorySink(), probes=[probe], interval=0):
        threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(call for call in probe.calls if type(call) is tuple) == [("a", ["a"]), ("b", ["b"])]


def test_a_state_of_none_is_passed_too() -> None:
    class EndsOnly(Listening):
        def phase_ended(self, span: Span, state: object) -> None:
            self.calls.append((span.phase.name, state))

    probe = EndsOnly()
    with fwmemtrace.session(MemorySink(), probes=[probe], interval=0), phase("a"):
        pass
    assert probe.calls == [("a", None)]


def test_nothing_is_kept_of_a_span_that_has_ended() -> None:
    class KeepsSpans(Keeps):
        def phase_ended(self, span: Span, state: object) -> None:
            self.calls.append(span)

    probe = KeepsSpans()
    with fwmemtrace.session(MemorySink(), probes=[probe], interval=0), phase("a"):
        pass
    assert probe.calls[-1].state is None


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_is_not_overridden_is_never_called(hook: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(Probe, hook, lambda *arguments: called.append(hook))

    @phase("generator")
    def generator() -> Any:
        yield 1

    with fwmemtrace.session(MemorySink(), probes=[Listening()], interval=0), phase("a"):
        list(generator())
    assert called == []


def test_inner_phases_call_nothing_with_resident_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    original = ProbeSet.phase_began

    def phase_began(self: ProbeSet, span: Span) -> None:
        called.append(span.phase.name)
        original(self, span)

    monkeypatch.setattr(ProbeSet, "phase_began", phase_began)
    with fwmemtrace.session(MemorySink(), interval=0), phase("outer"), phase("inner"):
        pass
    assert called == ["outer"]


def test_a_probe_may_listen_to_outermost_phases_only() -> None:
    class Outermost(Keeps):
        outermost_only = True

    probe = Outermost()
    with fwmemtrace.session(MemorySink(), probes=[probe], interval=0), phase("outer"), phase("inner"):
        pass
    assert probe.calls == [["outer"], ("outer", ["outer"])]


def test_only_the_cost_of_a_measured_probe_is_recorded() -> None:
    class Unmeasured(Keeps):
        name = "unmeasured"
        measured = False

    sink = MemorySink()
    with fwmemtrace.session(sink, probes=[Keeps(), Unmeasured()], interval=0), phase("a"):
        pass
    costs = [record.probe for record in sink.records if isinstance(record, Overhead)]
    assert costs.count("keeps") == 3  # its start, its stop, and the sum of the edges
    assert costs.count("unmeasured") == 2


def test_probes_are_called_by_rank_and_in_reverse_at_the_end() -> None:
    calls: list[str] = []

    class Early(Probe):
        name = "early"
        rank = 1

        def phase_began(self, span: Span) -> None:
            calls.append(f"+{self.name}")

        def phase_ended(self, span: Span, state: None) -> None:
            calls.append(f"-{self.name}")

        def stop(self) -> None:
            calls.append(f"stop {self.name}")

    class Late(Early):
        name = "late"
        rank = 99

    with fwmemtrace.session(MemorySink(), probes=[Late(), Early()], interval=0), phase("a"):
        pass
    assert calls == ["+early", "+late", "-late", "-early", "stop late", "stop early"]


def test_the_order_of_the_built_in_probes() -> None:
    """The censuses allocate: they are outside of tracemalloc, and all three outside of memray's markers."""
    probes = [plugins.load("fwmemtrace.probes", name) for name in plugins.BUILT_IN["fwmemtrace.probes"]]
    ordered = [probe.name for probe in sorted(probes, key=lambda probe: probe.rank)]
    outermost, innermost = ["resident", "collector", "tensors", "objects"], ["heap", "native", "imports"]
    assert ordered == [*outermost, "mappings", "python_heap", *innermost]
    assert len({probe.rank for probe in (Probe, *probes)}) == len(probes) + 1


def test_a_switch_names_the_innermost_phase_that_the_probe_measures() -> None:
    class Follows(Listening):
        def switched(self, span: Span | None) -> None:
            self.calls.append(span.phase.name if span else None)

    probe = Follows()

    @phase("generator", probes=["resident"])
    def generator() -> Any:
        yield 1

    with fwmemtrace.session(MemorySink(), probes=[probe], interval=0):
        with phase("caller"):
            list(generator())
        with phase("other", probes=["resident"]):
            list(generator())
    assert probe.calls == ["caller", "caller", None, None]


@pytest.fixture
def new_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "fw_imported_in_a_hot_phase.py").write_text("table = bytearray(1000)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "fw_imported_in_a_hot_phase", raising=False)
    return "fw_imported_in_a_hot_phase"


@pytest.mark.slow
def test_a_phase_that_asks_for_resident_alone_is_passed_over_by_every_other_probe(tmp_path: Path) -> None:
    """In a process of its own: the probes that walk over the heap take long in one that has run other tests."""
    (tmp_path / "fw_imported.py").write_text("table = bytearray(1000)\n")
    done = run_program(
        tmp_path,
        """
        import array, gc, sys, fwmemtrace
        from fwmemtrace import phase
        with fwmemtrace.session("trace.bin", probes="all, python_heap", interval=0):
            with phase("full"):
                gc.collect()
                numbers = array.array("d", range(1000))
                with phase("hot", probes=["resident"]):
                    import fw_imported
                    kept = [bytes(1000) for _ in range(1000)]
                    gc.collect()
            with phase("hot outermost", probes=["resident"]):
                gc.collect()
            del sys.modules["fw_imported"]
            with phase("imports too"):
                import fw_imported
        """,
        timeout_s=300,
    )
    assert done.returncode == 0, done.stderr
    records = list(fwmemtrace.read(tmp_path / "trace.bin"))
    by_name = spans(records)
    assert {"PythonHeap", "ObjectCensus", "TensorCensus", "Collections"} <= records_of(records, by_name["full"])
    assert records_of(records, by_name["hot"]) == {"PhaseBegin", "PhaseEnd"}
    assert records_of(records, by_name["hot outermost"]) <= {"PhaseBegin", "PhaseEnd", "Footprint"}
    imported = [record for record in records if getattr(record, "module", None) == "fw_imported"]
    assert [record.span for record in imported] == [by_name["imports too"]]  # type: ignore[attr-defined]


def test_a_phase_that_leaves_resident_out_has_no_footprint() -> None:
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0), phase("a", probes=["mappings"]):
        pass
    footprints = [record.span for record in sink.records if isinstance(record, Footprint)]
    assert footprints == [0]
    (end,) = [record for record in sink.records if isinstance(record, PhaseEnd)]
    assert end.rss_bytes > 0


def test_a_module_imported_by_a_thread_without_a_phase_belongs_to_the_innermost_measured_phase(new_module: str) -> None:
    sink = MemorySink()
    with fwmemtrace.session(sink, probes=["imports"], interval=0):
        with phase("outer"), phase("hot", probes=["resident"]):
            thread = threading.Thread(target=__import__, args=(new_module,))
            thread.start()
            thread.join()
    (imported,) = [record for record in sink.records if getattr(record, "module", None) == new_module]
    assert getattr(imported, "span", None) == spans(sink.records)["outer"]


def test_a_note_has_the_probe_s_name() -> None:
    class Notes(Probe):
        name = "notes"

        def start(self, context: ProbeContext) -> None:
            context.note("one thing")

    sink = MemorySink()
    with fwmemtrace.session(sink, probes=[Notes()], interval=0):
        pass
    notes = [(record.source, record.message) for record in sink.records if isinstance(record, Note)]
    assert notes == [("notes", "one thing")]


def test_the_probes_of_a_session_share_a_governor() -> None:
    governors = []

    class First(Probe):
        name = "first"

        def start(self, context: ProbeContext) -> None:
            governors.append(context.governor)

    class Second(First):
        name = "second"

    with fwmemtrace.session(MemorySink(), probes=[First(), Second()], interval=0):
        pass
    assert governors[0] is governors[1]


def test_a_probe_of_one_s_own_may_be_required() -> None:
    class Broken(Probe):
        name = "broken"

        def start(self, context: ProbeContext) -> None:
            raise fwmemtrace.ProbeUnavailable("needs a cat")

    with pytest.warns(RuntimeWarning, match="the probe 'broken' is off: needs a cat"):
        fwmemtrace.session(MemorySink(), probes=[Broken()], interval=0).stop()
    with pytest.raises(fwmemtrace.ProbeUnavailable, match="needs a cat"):
        fwmemtrace.session(MemorySink(), probes=[Broken()], required=["broken"], interval=0)


def names_of(probes: str, *, required: str = "", others: Sequence[Probe] = ()) -> set[str]:
    return {probe.name for probe in make_probes(load({"probes": probes, "required": required}), others)}


def test_all_is_a_set_of_probes_that_can_run_together() -> None:
    every_probe = set(plugins.names("fwmemtrace.probes"))
    assert names_of("all") == every_probe - {"python_heap", "heap"}
    assert names_of("all,python_heap") == every_probe - {"native"}
    assert names_of("all,native") == every_probe - {"python_heap", "heap"}
    assert names_of("all,heap") == every_probe - {"native"}


@pytest.mark.parametrize(("probes", "required"), [("native,python_heap", ""), ("all,python_heap", "native")])
def test_native_and_python_heap_are_refused_together(probes: str, required: str) -> None:
    with pytest.raises(fwmemtrace.SettingsError, match="'native' and 'python_heap' cannot run together: memray would"):
        names_of(probes, required=required)


def test_a_probe_of_one_s_own_may_conflict_with_another() -> None:
    class Picky(Probe):
        name = "picky"
        conflicts: ClassVar[Mapping[str, str]] = {"imports": "they would measure each other"}

    assert "imports" not in names_of("all", others=[Picky()])
    with pytest.raises(fwmemtrace.SettingsError, match="they would measure each other"):
        names_of("imports", others=[Picky()])


class Working(Probe):
    """Makes more objects than it takes to set off a full collection, in every hook."""

    name = "working"

    def __init__(self) -> None:
        self.kept: list[list[Any]] = []
        self.worked = 0

    def work(self) -> None:
        self.worked += 1
        self.kept += [[] for _ in range(200_000)]

    def start(self, context: ProbeContext) -> None:
        self.work()

    def phase_began(self, span: Span) -> None:
        self.work()

    def phase_ended(self, span: Span, state: None) -> None:
        self.work()

    def stop(self) -> None:
        self.work()


@pytest.mark.parametrize("enabled", [True, False])
def test_probes_set_off_no_collection(enabled: bool, tmp_path: Path) -> None:
    during: list[Any] = []
    working = Working()

    def collecting(stage: str, info: dict[str, int]) -> None:
        frame: Any = sys._getframe()
        while frame is not None:
            if frame.f_code is Working.work.__code__:
                during.append(info)
            frame = frame.f_back

    (gc.enable if enabled else gc.disable)()
    gc.callbacks.append(collecting)
    try:
        with fwmemtrace.session(tmp_path / "trace.bin", probes=[working]):
            assert gc.isenabled() == enabled
            with phase("a"):
                assert gc.isenabled() == enabled
            assert gc.isenabled() == enabled
        assert gc.isenabled() == enabled
        assert working.worked == 4
        assert during == []
        gc.enable()
        working.work()
        assert during  # it is enough for one where nothing is paused
    finally:
        gc.enable()
        gc.callbacks.remove(collecting)


def test_an_interrupt_in_a_probe_leaves_the_collector_on(tmp_path: Path) -> None:
    class Interrupted(Keeps):
        def phase_began(self, span: Span) -> None:
            raise KeyboardInterrupt

    with fwmemtrace.session(tmp_path / "trace.bin", probes=[Interrupted()]):
        with pytest.raises(KeyboardInterrupt), phase("a"):
            pass
        assert gc.isenabled()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_worker_begins_its_open_phases_again_for_every_probe(tmp_path: Path) -> None:
    probe = Keeps()
    path = tmp_path / "calls"
    with fwmemtrace.session(tmp_path / "trace.bin", probes=[probe], interval=0):
        with phase("outer"), phase("hot", probes=["resident"]), phase("inner"):
            if not (pid := os.fork()):
                path.write_text(repr(probe.calls[2:]))
                os._exit(0)
            os.waitpid(pid, 0)
    assert path.read_text() == repr([["outer"], ["inner"]])


def test_records_say_which_service_the_process_belongs_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,region=eu")
    with fwmemtrace.session(tmp_path / "trace.bin", service="guard", instance="pod-1", labels={"version": "1.4"}):
        pass
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    begin: Record = next(iter(trace))
    assert (begin.service, begin.instance) == ("guard", "pod-1")  # type: ignore[attr-defined]
    (process,) = trace.summary().trace.processes
    assert (process.service, process.instance) == ("guard", "pod-1")
    assert process.labels == {"region": "eu", "version": "1.4"}


def test_a_thread_that_comes_to_a_probe_while_that_stops_is_no_failure_of_it() -> None:
    warnings: list[str] = []
    probes = ProbeSet(warnings.append)

    class Stopping(Probe):
        name = "stopping"
        core: Any = None

        def start(self, context: ProbeContext) -> None:
            self.core = self

        def phase_began(self, span: Span) -> None:
            self.core.name.upper()

        def stop(self) -> None:
            self.core = None
            probes.phase_began(inside)

    sink = MemorySink()
    with fwmemtrace.session(sink, probes=[Listening()], interval=0) as session, phase("work"):
        inside = open_spans()[0]
        probes.start([Stopping()], session._context())
        probes.phase_began(inside)
        probes.stop()
    assert (warnings, probes.errors) == ([], {})
