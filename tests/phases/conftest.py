"""What the tests of `phase` share: a session whose records read as a list of begins and ends."""

from __future__ import annotations

import pytest

import fwmemtrace
from fwmemtrace import phases
from fwmemtrace.records import PhaseBegin, PhaseEnd
from fwmemtrace.sinks.memory import MemorySink


class Traced:
    """The records of a session, made readable."""

    def __init__(self, sink):
        self.sink = sink

    @property
    def begins(self):
        return [record for record in self.sink.records if isinstance(record, PhaseBegin)]

    @property
    def ends(self):
        return [record for record in self.sink.records if isinstance(record, PhaseEnd)]

    def path_of(self, span):
        by_span = {begin.span: begin for begin in self.begins}
        names = []
        while span:
            names.append(by_span[span].name)
            span = by_span[span].parent
        return "/".join(reversed(names))

    @property
    def paths(self):
        """The path of each phase in the order of their begins."""
        return [self.path_of(begin.span) for begin in self.begins]

    @property
    def events(self):
        """`+path` for each begin and `-path` for each end, with ` ErrorType` behind an end by an exception."""
        events = []
        for record in self.sink.records:
            if isinstance(record, PhaseBegin):
                events.append(f"+{self.path_of(record.span)}")
            elif isinstance(record, PhaseEnd):
                events.append(f"-{self.path_of(record.span)}" + (f" {record.error}" if record.error else ""))
        return events

    @property
    def open(self):
        """The paths of phases that began and have not ended."""
        ended = {end.span for end in self.ends}
        return [self.path_of(begin.span) for begin in self.begins if begin.span not in ended]


@pytest.fixture(scope="session")
def readable():
    """`Traced` itself, for a test that makes its own sessions."""
    return Traced


@pytest.fixture
def traced():
    """A session that is on for the test, and off after it with every phase ended."""
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0):
        yield Traced(sink)
    assert len({end.span for end in Traced(sink).ends}) == len(Traced(sink).ends), "a phase ended twice"


@pytest.fixture(autouse=True)
def _nothing_left_behind():
    yield
    assert phases._tracer is None, "the test left a session on"
    span = phases.current.get()
    phases.current.set(None)
    assert span is None or span.closed, "the test left a phase open"
