"""A report can be requested at any time: that changes nothing, and the report does not change afterwards."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwmemtrace.analysis.process_analysis import ProcessAnalysis
from fwmemtrace.records import (
    AcceleratorMemory,
    AllocatorFigures,
    CgroupReading,
    Collections,
    Footprint,
    FullCollection,
    HeapRow,
    HolderStep,
    MappingRow,
    MappingsEdge,
    MappingsReading,
    ModuleImport,
    Note,
    ObjectCensus,
    ObjectHolder,
    ObjectRow,
    Overhead,
    PackageRow,
    PhaseBegin,
    PhaseEnd,
    PythonHeap,
    Record,
    Sample,
    SessionBegin,
    SessionEnd,
    StackRow,
    TensorCensus,
    TensorRow,
)

ALL_PROBES = ["resident", "imports", "mappings", "python_heap", "objects", "tensors", "collector"]
SIZES = st.integers(0, 10**9)


def rows_of_probes(draw: st.DrawFn, span: int, time_ns: int) -> list[Record]:
    """What a probe may record while a phase is open."""
    size, change = draw(SIZES), draw(st.integers(-(10**6), 10**6))
    line, package = HeapRow("a.py", 1, size, change, 1, 1), PackageRow("a", size, change, 1, 1)
    stack = StackRow([("a.py", 1), ("b.py", 2)], size, change, 1, 1)
    objects = ObjectRow("a.A", 3, size, 1, change)
    tensors = TensorRow("torch", "float32", "cpu", "other", "private", 1, 1, change)
    reading = draw(st.integers(1, 3))
    mapped = [MappingRow(draw(st.sampled_from(["malloc", "file", "anonymous"])), "heap", size, size, size, 0, size)]
    module = draw(st.sampled_from(["torch", "torch.nn", "numpy"]))
    return draw(
        st.sampled_from(
            [
                [PythonHeap(span, size, size + change, size, [line], True, [line], [package], [stack])],
                [ObjectCensus(span, 10, size, 1, change, [objects])],
                [ObjectHolder("a.A", 3, 1, "a", "module", [HolderStep("builtins.module", "", "app")])],
                [TensorCensus(span, size, change, 0, 1, [tensors], [])],
                [AcceleratorMemory(span, "cuda:0", size, change, size, size)],
                [Collections(span, [1, 0, 0], 5, 2, 0)],
                [FullCollection(span, 5, 3, 0, size, size, draw(st.none() | SIZES))],
                [ModuleImport(span, module, "torch", "", 0, 1, time_ns, size, size, 5, 5)],
                [
                    MappingsReading(reading, time_ns, 5, size, mapped, AllocatorFigures(malloc_in_use_bytes=size // 2)),
                    MappingsEdge(span, draw(st.sampled_from(["begin", "end"])), reading),
                ],
                [Overhead(span, "objects", 5, change)],
                [CgroupReading(time_ns, size, size, None)],
                [Footprint(span, "end", time_ns, size, size, size, size, 0)],
                [Note(time_ns, "native", f"note {time_ns}")],
                [Sample(time_ns, size, 2 * size)],
            ]
        )
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """What a process with all probes may record, perhaps cut off, perhaps without its first record."""
    records: list[Record] = []
    if draw(st.booleans()):
        begin = SessionBegin(1, "id", 10, 1, "0", "3.11", "linux", ["x"], 0, 0, 5, 5, "kernel", ALL_PROBES, {})
        records.append(begin)
    open_spans: list[int] = []
    for step in range(1, draw(st.integers(1, 40))):
        action = draw(st.sampled_from(["begin", "end", "probe", "probe"]))
        if action == "begin":
            parent = draw(st.sampled_from([0, *open_spans]))
            records.append(PhaseBegin(step, parent, draw(st.sampled_from("ab")), 1, step, draw(SIZES), {"n": step}))
            open_spans.append(step)
        elif action == "end" and open_spans:
            ended = open_spans.pop(draw(st.integers(0, len(open_spans) - 1)))
            records.append(PhaseEnd(ended, step, draw(SIZES), draw(SIZES), draw(st.sampled_from([None, "ValueError"]))))
        else:
            records += rows_of_probes(draw, draw(st.sampled_from([0, *open_spans])), step)
    if draw(st.booleans()):
        records.append(SessionEnd(1000, draw(SIZES), draw(SIZES), 0))
    return records


def report_of(analysis: ProcessAnalysis) -> bytes:
    return msgspec.json.encode(analysis.report())


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(histories(), st.data())
def test_reports_in_between_change_nothing(records: list[Record], data: st.DataObject) -> None:
    whole = ProcessAnalysis(10)
    whole.read(records)
    expected = report_of(whole)
    assert report_of(whole) == expected

    watched = ProcessAnalysis(10)
    earlier = []
    for record in records:
        watched.add(record)
        if data.draw(st.booleans()):
            report = watched.report()
            earlier.append((report, msgspec.json.encode(report)))
    assert report_of(watched) == expected
    assert [msgspec.json.encode(report) for report, _ in earlier] == [before for _, before in earlier]


@pytest.mark.slow
@given(histories(), st.integers(0, 60))
def test_a_report_in_between_is_that_of_the_records_so_far(records: list[Record], cut: int) -> None:
    going_on, stopped = ProcessAnalysis(10), ProcessAnalysis(10)
    going_on.read(records[:cut])
    report_of(going_on)
    stopped.read(records[:cut])
    assert report_of(going_on) == report_of(stopped)
    going_on.read(records[cut:])
    whole = ProcessAnalysis(10)
    whole.read(records)
    assert report_of(going_on) == report_of(whole)
    assert (going_on.records, going_on.phases) == (whole.records, whole.phases)
