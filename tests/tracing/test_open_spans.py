"""Which spans are open around a caller."""

from __future__ import annotations

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.sinks import MemorySink
from fwmemtrace.tracing.span import open_spans


def test_open_spans_are_listed_from_the_outermost(traced):
    with phase("a"), phase("b"):
        assert [span.phase.name for span in open_spans()] == ["a", "b"]
    assert open_spans() == []


def test_a_span_that_was_closed_out_of_order_is_left_out(traced):
    outer, inner = phase("outer"), phase("inner")
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert [span.phase.name for span in open_spans()] == ["inner"]
    inner.__exit__(None, None, None)


def test_spans_of_another_tracer_can_be_left_out():
    first = fwmemtrace.session(MemorySink(), interval=0)
    with phase("old"):
        (old,) = open_spans()
        first.stop()
        with fwmemtrace.session(MemorySink(), interval=0):
            assert open_spans() == [old]
            with phase("new"):
                (new,) = open_spans()
                assert open_spans(new.tracer) == [new]
                assert open_spans(old.tracer) == []
