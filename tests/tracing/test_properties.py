"""Random programs of blocks, decorated generators and exceptions, compared with a model of their traces."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.sinks.memory import MemorySink

# A program is a list of statements: ("block", name, body), ("call", name, body), ("raise",), or ("loop", name, body,
# items), a decorated generator that runs `body` inside before each item, and the same body in its caller after each.
NAMES = st.sampled_from("abc")


def programs(depth: int):
    body = st.just([]) if depth == 0 else st.deferred(lambda: programs(depth - 1))
    statement = st.one_of(
        st.tuples(st.just("block"), NAMES, body),
        st.tuples(st.just("call"), NAMES, body),
        st.tuples(st.just("loop"), NAMES, body, st.integers(0, 3)),
        st.tuples(st.just("raise")),
    )
    return st.lists(statement, max_size=3)


class Planned(Exception):
    """What ("raise",) raises."""


def execute(program):
    for kind, *rest in program:
        if kind == "raise":
            raise Planned
        name, body = rest[:2]
        if kind == "block":
            with phase(name):
                execute(body)
        elif kind == "call":
            phase(name)(execute)(body)
        else:
            for _ in _items(name, body, rest[2]):
                execute(body)


def _items(name, body, count):
    @phase(name)
    def generator():
        for item in range(count):
            execute(body)
            yield item

    return generator()


def expected(program, path=""):
    """The events of a program, from its structure alone, and whether it raised."""
    events = []
    for kind, *rest in program:
        if kind == "raise":
            return events, True
        name, body = rest[:2]
        inner = f"{path}/{name}" if path else name
        events.append(f"+{inner}")
        if kind != "loop":
            more, raised = expected(body, inner)
            events += more
            events.append(f"-{inner}" + (" " + ERROR if raised else ""))
            if raised:
                return events, True
            continue
        for _ in range(rest[2]):
            more, raised = expected(body, inner)
            events += more
            if raised:
                events.append(f"-{inner} {ERROR}")
                return events, True
            more, raised = expected(body, path)
            events += more
            if raised:  # the loop is left, and the generator closed
                events.append(f"-{inner}")
                return events, True
        events.append(f"-{inner}")
    return events, False


ERROR = f"{Planned.__module__}.{Planned.__qualname__}"


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(program=programs(3))
def test_the_trace_of_a_program_is_its_structure(readable, program):
    sink = MemorySink()
    raised = False
    with fwmemtrace.session(sink, interval=0):
        try:
            execute(program)
        except Planned as error:
            raised = True
            del error
    events, expects_error = expected(program)
    assert raised == expects_error
    assert readable(sink).events == events
