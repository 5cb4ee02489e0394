"""Attributes of calls: how often each value came."""

from __future__ import annotations

from pathlib import Path

import fwmemtrace
from fwmemtrace import annotate, phase


def test_calls_are_counted_by_the_values_of_their_attributes(tmp_path: Path) -> None:
    with fwmemtrace.session(tmp_path / "trace.bin", interval=0):
        for number in range(20):
            with phase("GET /users/{id}", method="GET", user=number):
                annotate(status=0)  # the last value of a call is the one that counts
                annotate(status=500 if number % 10 == 0 else 200)
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    row = trace[("GET /users/{id}",)]
    assert row.attribute_calls == {"method": {"GET": 20}, "status": {"500": 2, "200": 18}}  # `user` tells calls apart
    lines = [line.split() for line in trace.report("text").splitlines()]
    assert ["status", "200", "18"] in [line[-3:] for line in lines]
    assert ["status", "500", "2"] in [line[-3:] for line in lines]
    assert not [line for line in lines if line[-3:-1] == ["method", "GET"]]


def test_sixteen_values_are_counted_and_more_are_not(tmp_path: Path) -> None:
    with fwmemtrace.session(tmp_path / "trace.bin", interval=0):
        for number in range(17):
            with phase("few" if number < 16 else "many", key=number):
                pass
        for number in range(16):
            with phase("many", key=number):
                pass
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    assert trace["few"].attribute_calls == {"key": {str(number): 1 for number in range(16)}}
    assert trace["many"].attribute_calls == {}
