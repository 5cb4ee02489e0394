"""Phases without a session, and sessions that start or stop inside a phase or follow each other."""

from __future__ import annotations

import sys
import threading

import pytest

import fwmemtrace
from fwmemtrace import SessionError, phase
from fwmemtrace.paths import write
from fwmemtrace.probes import Probe
from fwmemtrace.records import Overhead, PhaseBegin, PhaseEnd, SessionBegin, SessionEnd
from fwmemtrace.sinks.memory import MemorySink
from fwmemtrace.tracing import active, phases
from fwmemtrace.tracing.names import admit


def names(sink):
    return [record.name for record in sink.records if isinstance(record, PhaseBegin)]


def test_no_session():
    @phase("a")
    def work():
        with phase("b") as entered:
            return entered.name

    assert work() == "b"
    assert phases.current.get() is None


def test_with_no_session_bad_names_are_errors_too():
    with pytest.raises(fwmemtrace.PhaseError):
        phase("")
    with pytest.raises(fwmemtrace.PhaseError):
        phase("a", key=[])


def test_started_inside_a_phase():
    sink = MemorySink()
    shared = phase("shared")
    with shared, phase("never seen"):
        with fwmemtrace.session(sink, interval=0):
            with shared, phase("seen"):
                pass
    with shared:
        pass
    assert names(sink) == ["shared", "seen"]
    assert next(record.parent for record in sink.records if isinstance(record, PhaseBegin)) == 0


def test_stopped_inside_a_phase():
    sink = MemorySink()

    @phase("function")
    def work():
        with phase("block"):
            session.stop()
            with phase("after"):
                return 1

    session = fwmemtrace.session(sink, interval=0)
    assert work() == 1
    assert names(sink) == ["function", "block"]
    assert isinstance(sink.records[-1], SessionEnd)
    assert phases.current.get() is None


def test_stopped_while_a_generator_is_suspended():
    sink = MemorySink()

    @phase("gen")
    def generator():
        with phase("block"):
            yield 1
            yield 2

    with fwmemtrace.session(sink, interval=0):
        iterator = generator()
        assert next(iterator) == 1
    assert list(iterator) == [2]
    assert names(sink) == ["gen", "block"]


def test_stopped_by_an_exception_inside_a_phase():
    sink = MemorySink()
    with pytest.raises(ValueError, match="mine"), phase("outer"), fwmemtrace.session(sink, interval=0), phase("inner"):
        raise ValueError("mine")
    assert [record.error for record in sink.records if isinstance(record, PhaseEnd)] == ["ValueError"]


def test_phases_of_an_earlier_session_are_not_parents():
    first, second = MemorySink(), MemorySink()
    session = fwmemtrace.session(first, interval=0)
    with phase("old"):
        session.stop()
        with fwmemtrace.session(second, interval=0):
            with phase("new"):
                pass
            with phase("newer"):
                pass
    begins = [record for record in second.records if isinstance(record, PhaseBegin)]
    assert [(begin.name, begin.parent) for begin in begins] == [("new", 0), ("newer", 0)]
    assert phases.current.get() is None or phases.current.get().closed


def test_an_object_left_open_by_an_earlier_session_works_in_the_next():
    shared = phase("shared")
    first, second = MemorySink(), MemorySink()
    session = fwmemtrace.session(first, interval=0)
    shared.__enter__()
    session.stop()
    with fwmemtrace.session(second, interval=0):
        with shared, phase("inside"):
            pass
        shared.__exit__(None, None, None)  # the first session's: of no concern to the second
        with phase("after"):
            pass
    kinds = [type(record).__name__ for record in second.records if isinstance(record, (PhaseBegin, PhaseEnd))]
    assert kinds == ["PhaseBegin", "PhaseBegin", "PhaseEnd", "PhaseEnd", "PhaseBegin", "PhaseEnd"]
    assert names(second) == ["shared", "inside", "after"]


@pytest.mark.slow
def test_threads_that_run_phases_while_the_session_stops():
    """Neither side may raise: the threads go on untraced."""
    failures = []
    stopping = threading.Event()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    @phase("decorated")
    def work():
        with phase("block"):
            pass

    def loop():
        try:
            while not stopping.is_set():
                work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=loop) for _ in range(3)]
    try:
        for thread in threads:
            thread.start()
        for _ in range(200):
            with fwmemtrace.session(MemorySink(), interval=0):
                pass
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before)
    assert failures == []


def test_a_session_that_stops_while_a_block_begins_raises_nothing(monkeypatch):
    def stop_first(named):
        active.install(None)
        return admit(named)

    with fwmemtrace.session(MemorySink(), interval=0):
        monkeypatch.setattr(phases, "admit", stop_first)
        with phase("a name that was not seen before"):
            assert active.installed() is None


def test_a_second_session_is_an_error():
    with fwmemtrace.session(MemorySink(), interval=0):
        with pytest.raises(SessionError, match="already on in this process"):
            fwmemtrace.session(MemorySink())
    with fwmemtrace.session(MemorySink(), interval=0):
        pass


def test_start_and_stop():
    sink = MemorySink()
    fwmemtrace.start(sink, interval=0)
    with phase("a"):
        pass
    fwmemtrace.stop()
    assert names(sink) == ["a"]
    assert sink.closed
    with pytest.raises(SessionError, match="call fwmemtrace"):
        fwmemtrace.stop()


def test_stopping_twice_does_nothing():
    session = fwmemtrace.session(MemorySink(), interval=0)
    session.stop()
    session.stop()


def test_the_first_and_last_record_are_of_the_session():
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0), phase("a"):
        pass
    assert isinstance(sink.records[0], SessionBegin)
    assert isinstance(sink.records[-1], SessionEnd)


class Counting(Probe):
    """A probe that keeps the calls of its hooks."""

    name = "counting"
    events: list
    fails = False

    def start(self, context):
        Counting.events = []
        Counting.fails = False

    def phase_began(self, span):
        if self.fails:
            raise ValueError("mine")
        self.events.append(f"+{write(span.path)}")

    def phase_ended(self, span, state):
        self.events.append(f"-{write(span.path)}")

    def switched(self, span):
        self.events.append("=" + (write(span.path) if span else ""))


@pytest.fixture
def counting(monkeypatch):
    from fwmemtrace import plugins

    monkeypatch.setitem(plugins.BUILT_IN["fwmemtrace.probes"], "counting", f"{__name__}:Counting")
    sink = MemorySink()
    with fwmemtrace.session(sink, probes=["counting"], interval=0):
        yield sink


def test_a_probe_hears_of_every_phase(counting):
    with phase("a"), phase("b"):
        pass
    assert Counting.events == ["+a", "+a/b", "-a/b", "-a"]


def test_a_phase_may_ask_for_less(counting):
    with phase("a", probes=["resident"]), phase("b"), phase("c", probes=["counting"]):
        pass
    assert Counting.events == ["+a/b", "+a/b/c", "-a/b/c", "-a/b"]
    assert names(counting) == ["a", "b", "c"]


def test_a_probe_hears_of_switches_between_generators(counting):
    @phase("gen")
    def generator():
        yield 1
        yield 2

    with phase("caller"):
        list(generator())
    assert Counting.events == [
        *("+caller", "+caller/gen", "=caller", "=caller/gen", "=caller", "=caller/gen", "-caller/gen", "-caller"),
    ]


def test_what_a_probe_costs_is_recorded_as_its_own(counting):
    with phase("a"):
        pass
    fwmemtrace.stop()
    costs = [record for record in counting.records if isinstance(record, Overhead) and record.probe == "counting"]
    assert sum(cost.wall_ns for cost in costs) > 0


def test_a_probe_that_raises_is_switched_off_and_the_program_does_not_see_it(counting):
    Counting.fails = True
    with pytest.warns(RuntimeWarning, match="mine"), phase("a"):
        pass
    with phase("b"):
        pass
    fwmemtrace.stop()
    assert names(counting) == ["a", "b"]
    assert counting.records[-1].errors == {"counting": 1}


def test_at_the_recursion_limit_only_the_innermost_phases_are_lost(counting):
    @phase("deep")
    def deep():
        return deep()

    for _ in range(3):
        with pytest.raises(RecursionError):
            deep()
    with phase("after"), phase("inner"):
        pass
    fwmemtrace.stop()
    assert names(counting)[-2:] == ["after", "inner"]
    assert Counting.events[-4:] == ["+after", "+after/inner", "-after/inner", "-after"]
    ended = {record.span for record in counting.records if isinstance(record, PhaseEnd)}
    begun = {record.span for record in counting.records if isinstance(record, PhaseBegin)}
    assert ended <= begun
    assert isinstance(counting.records[-1], SessionEnd)
