"""Odd values in names and attributes: they are made fit, and cost no other record."""

from __future__ import annotations

import decimal
import enum
import fractions
import io
import json
import logging
import re
import warnings
from pathlib import Path

import msgspec
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.records import Note, PhaseBegin, SampledStack
from fwmemtrace.sinks import JsonLinesSink, LoggingSink
from fwmemtrace.tracefile.decode import FrameDecoder
from fwmemtrace.tracefile.encode import frame
from fwmemtrace.tracefile.layout import MAX_PAYLOAD
from fwmemtrace.values import LONGEST_TEXT, fitted, scalar


class Hostile(str):
    """A string whose every method raises."""

    __slots__ = ()

    def _refuse(self, *_: object) -> object:
        raise ValueError("no")

    __str__ = __repr__ = __len__ = __eq__ = __hash__ = encode = isprintable = _refuse  # type: ignore[assignment]


class Number(int):
    def __index__(self):
        raise ValueError("no")

    __int__ = __index__


class Colour(enum.Enum):
    RED = 1


class Word(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


def kind(value: object) -> str:
    return type(value).__name__  # pytest would ask the hostile string for its text


SCALARS = [
    (numpy.int64(3), 3),
    (numpy.uint64(2**63), 2**63),
    (numpy.float16(1.5), 1.5),
    (numpy.bool_(True), True),
    (numpy.str_("x"), "x"),
    (numpy.array(3), 3),
    (numpy.array([2.5]), 2.5),
    (Hostile("abc"), "abc"),
    (Number(5), 5),
    (Colour.RED, 1),
    (Word.RED, "red"),
    (Level.HIGH, 3),
    (decimal.Decimal("1.5"), 1.5),
    (fractions.Fraction(1, 4), 0.25),
    ("x" * 1_000_000, "x" * LONGEST_TEXT + "... (1,000,000 characters)"),
]
# What only an encoder has to change.
ENCODED = [
    (2**64, "18446744073709551616"),
    (-(2**63) - 1, "-9223372036854775809"),
    (2**64 - 1, 2**64 - 1),
    (10**6000, "2**19931 or more"),
    ("caf\udce9", "caf\\udce9"),
]


@pytest.mark.parametrize(("value", "recorded"), SCALARS, ids=kind)
def test_a_scalar_is_recorded_as_a_built_in_type(value, recorded):
    found = phase("a", key=value).attributes["key"]
    assert (found, type(found)) == (recorded, type(recorded))


@pytest.mark.parametrize(
    "value",
    [numpy.arange(2), numpy.complex64(1j), decimal.Decimal("sNaN"), {"item": 1}, {1}, int, len, Path("x")],
    ids=kind,
)
def test_what_is_no_scalar_is_an_error(value):
    with pytest.raises(fwmemtrace.PhaseError, match="the attribute key is a "):
        phase("a", key=value)


@pytest.mark.parametrize("name", [Hostile("a"), numpy.str_("a"), Word("red")], ids=kind)
def test_a_name_becomes_an_exact_string(name):
    assert type(phase(name).name) is str


def test_an_empty_name_of_a_hostile_type_is_a_phase_error():
    with pytest.raises(fwmemtrace.PhaseError, match="non-empty"):
        phase(Hostile(""))


@pytest.mark.parametrize(("value", "recorded"), [*SCALARS, *ENCODED], ids=kind)
def test_an_odd_value_costs_no_later_phase(value, recorded, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fwmemtrace.session(tmp_path / "t.bin", interval=0) as session:
            with phase("odd", key=value):
                pass
            if isinstance(value, str):
                with phase(value):
                    pass
            for _ in range(3):
                with phase("after"):
                    pass
    trace = fwmemtrace.read(tmp_path / "t.bin")
    assert session.lost_records == 0
    assert trace.summary().trace.complete
    assert trace["after"].calls == 3
    assert trace["odd"].attributes == {"key": recorded}
    if isinstance(value, str):
        assert trace[(str(recorded),)].calls == 1


@pytest.mark.parametrize("value", [value for value, _ in (*SCALARS, *ENCODED)], ids=kind)
def test_other_sinks_take_odd_values_too(value, tmp_path):
    stream = io.StringIO()
    logger = logging.Logger("odd")
    logger.addHandler(logging.StreamHandler(stream))
    for sink in (JsonLinesSink(tmp_path / "t.jsonl"), LoggingSink(logger)):
        with fwmemtrace.session(sink, interval=0, exact_peak=False) as session:
            with phase("odd\nname", key=value):
                pass
            with phase("after"):
                pass
        assert session.lost_records == 0
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines if line["record"] == "PhaseBegin"] == ["odd\nname", "after"]
    assert all(re.match("[A-Z][A-Za-z]+ [a-z_]+=", line) for line in stream.getvalue().splitlines())


@pytest.mark.slow
def test_a_phase_with_too_many_attributes_is_recorded_without_them(tmp_path):
    attributes = {f"key{number}": "x" * 16_000 for number in range(1_100)}
    with fwmemtrace.session(tmp_path / "t.bin", interval=0) as session, phase("many", **attributes):
        fwmemtrace.annotate(**attributes)
    assert session.lost_records == 0
    (row, _) = fwmemtrace.read(tmp_path / "t.bin").phases
    assert row.attributes.keys() == {"attributes"}
    assert row.attributes["attributes"].startswith("left out: 17,")


class _Computed(type):
    @property
    def __module__(cls):
        raise ValueError("no")


def test_an_exception_of_an_odd_type_ends_its_phase_alone(tmp_path):
    class NoModule(Exception):
        pass

    class Surrogate(Exception):
        pass

    NoModule.__module__ = 7  # type: ignore[assignment]
    Surrogate.__qualname__ = "E\udcff"
    odd = [NoModule, Surrogate, _Computed("Computed", (Exception,), {})]
    with fwmemtrace.session(tmp_path / "t.bin", interval=0):
        for kind in odd:
            with pytest.raises(kind), phase("odd"):
                raise kind
        with phase("after"):
            pass
    trace = fwmemtrace.read(tmp_path / "t.bin")
    assert (trace["odd"].errors, trace["after"].calls) == (3, 1)


def test_a_record_too_large_for_a_frame_costs_itself_and_is_noted_once(tmp_path):
    row = ("f", "x" * 1000, 1)
    large = SampledStack(1, [row] * (MAX_PAYLOAD // 1000))
    with fwmemtrace.session(tmp_path / "t.bin", interval=0) as session:
        session.record(large)
        session.record(large)
        with phase("after"):
            pass
    trace = fwmemtrace.read(tmp_path / "t.bin")
    notes = [record.message for record in trace if isinstance(record, Note)]
    assert len(notes) == 1
    assert "a record was left out" in notes[0]
    assert (session.lost_records, trace["after"].calls) == (2, 1)
    assert not trace.summary().trace.complete


def test_the_longest_texts_of_a_large_record_are_cut():
    length = MAX_PAYLOAD
    stack = SampledStack(1, [("f", "y" * length, 1), ("g", "g.py", 2)])
    (read,) = FrameDecoder(io.BytesIO(frame(stack)))
    assert read == SampledStack(1, [("f", f"{'y' * LONGEST_TEXT}... ({length:,} characters)", 1), ("g", "g.py", 2)])


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary(max_size=20)
    | st.builds(object)
    | st.decimals()
    | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner) | st.tuples(inner, inner),
    max_leaves=4,
)


@settings(max_examples=50)
@given(anything)
def test_whatever_is_fitted_can_be_encoded(value):
    msgspec.msgpack.encode(fitted(value))
    msgspec.json.encode(fitted(value))


@settings(max_examples=50)
@given(anything)
def test_a_scalar_is_of_an_exact_type_or_none(value):
    assert type(scalar(value)) in {str, int, float, bool, type(None)}


def test_lists_inside_themselves_come_to_an_end():
    inner: list[object] = []
    inner.append(inner)
    assert frame(PhaseBegin(1, 0, "a", 1, 2, 3, {"key": inner}))  # type: ignore[dict-item]
