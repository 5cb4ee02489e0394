"""Fixtures for the tests of `phase`: a session whose records can be read as a list of begins and ends."""

from __future__ import annotations

import pytest

import fwmemtrace
from fwmemtrace.records import PhaseBegin, PhaseEnd
from fwmemtrace.sinks.memory import MemorySink
from fwmemtrace.tracing import active, phases


class Traced:
    """The records of a session, as paths and events."""

    def __init__(self, sink):
        self.sink = sink

    @property
    def begins(self):
        return [record for record in self.sink.records if isinstance(record, PhaseBegin)]

    @property
    def ends(self):
        return [record for record in self.sink.records if isinstance(record, PhaseEnd)]

    @property
    def by_span(self):
        """The path of each phase by its span, in the order of their begins."""
        paths = {0: ""}
        for begin in self.begins:
            paths[begin.span] = f"{paths[begin.parent]}/{begin.name}".lstrip("/")
        del paths[0]
        return paths

    @property
    def paths(self):
        """The path of each phase in the order of their begins."""
        return list(self.by_span.values())

    @property
    def events(self):
        """`+path` for each begin and `-path` for each end, with ` ErrorType` behind an end by an exception."""
        events, paths = [], self.by_span
        for record in self.sink.records:
            if isinstance(record, PhaseBegin):
                events.append(f"+{paths[record.span]}")
            elif isinstance(record, PhaseEnd):
                events.append(f"-{paths[record.span]}" + (f" {record.error}" if record.error else ""))
        return events

    @property
    def open(self):
        """The paths of phases that began and have not ended."""
        ended = {end.span for end in self.ends}
        return [path for span, path in self.by_span.items() if span not in ended]


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
    assert active.installed() is None, "the test left a session on"
    span = phases.current.get()
    phases.current.set(None)
    assert span is None or span.closed, "the test left a phase open"
