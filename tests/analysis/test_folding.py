"""Folding by phase: whatever the order of records, the parts add up to the process."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace.analysis.process_fold import ProcessFold
from fwmemtrace.analysis.timeline import TimelineFold
from fwmemtrace.paths import OUTSIDE, nearest
from fwmemtrace.records import Overhead, PhaseBegin, PhaseEnd, Record, Sample, SessionBegin, SessionEnd


def session_begin(rss: int) -> SessionBegin:
    return SessionBegin(1, "id", 10, 1, "0", "3.11", "linux", ["x"], 0, 0, rss, rss, "kernel", ["resident"], {})


def fold(records: list[Record]) -> ProcessFold:
    made = ProcessFold()
    made.read(records)
    return made


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """Phases of several threads that begin and end in any order while RSS changes, perhaps cut off."""
    rss = draw(st.integers(0, 10**9))
    records: list[Record] = [session_begin(rss)]
    open_spans: list[int] = []
    clock = 0
    for span in range(1, draw(st.integers(1, 40))):
        clock += draw(st.integers(0, 100))
        rss = draw(st.integers(0, 10**9))
        action = draw(st.sampled_from(["begin", "begin", "end", "sample"]))
        if action == "begin":
            parent = draw(st.sampled_from([0, *open_spans]))
            records.append(PhaseBegin(span, parent, draw(st.sampled_from("abc")), 1, clock, rss))
            open_spans.append(span)
        elif action == "end" and open_spans:
            ended = open_spans.pop(draw(st.integers(0, len(open_spans) - 1)))
            records.append(PhaseEnd(ended, clock, rss, rss + draw(st.integers(0, 1000))))
        else:
            records.append(Sample(clock, rss, 2 * rss))
    if draw(st.booleans()):
        records.append(SessionEnd(clock + 1, draw(st.integers(0, 10**9)), 10**9, 0))
    return records


@given(histories())
def test_the_parts_add_up_to_the_process(records: list[Record]) -> None:
    made = fold(records)
    process = made.process(10)
    rows = made.phases(10)
    outermost = [row for path, row in rows.items() if path and not nearest(path, rows)]
    inside = sum(row.resident.delta_bytes for row in outermost if row.resident)
    total = process.before_session_bytes + inside - process.overlap_bytes + process.outside_phases_bytes
    last = records[-1]
    assert total == process.end_bytes == (last.rss_bytes if hasattr(last, "rss_bytes") else None)
    assert list(rows)[-1] == OUTSIDE
    begun = [record for record in records if isinstance(record, PhaseBegin)]
    assert sum(row.calls for path, row in rows.items() if path) == len(begun)
    assert sum(row.open_calls for row in rows.values()) == len(begun) - sum(isinstance(r, PhaseEnd) for r in records)
    assert all(row.wall_ns >= 0 for row in rows.values())
    assert all(row.resident.peak_bytes >= row.resident.after_bytes for row in rows.values() if row.resident)


@given(histories())
def test_a_trace_that_was_not_closed_names_the_phase_in_which_it_stops(records: list[Record]) -> None:
    process = fold(records).process(10)
    closed = isinstance(records[-1], SessionEnd)
    assert process.ended == ("closed" if closed else "not closed")
    still_open = [record.span for record in records if isinstance(record, PhaseBegin)]
    for record in records:
        if isinstance(record, PhaseEnd):
            still_open.remove(record.span)
    assert (process.last_phase is not None) == (not closed and bool(still_open))


def test_consecutive_phases_do_not_overlap() -> None:
    made = fold(
        [
            session_begin(100),
            PhaseBegin(1, 0, "a", 1, 10, 110),
            PhaseBegin(2, 1, "b", 1, 11, 120),
            PhaseEnd(2, 20, 150, 170, "ValueError"),
            PhaseEnd(1, 30, 140, 170),
            PhaseBegin(3, 0, "a", 1, 40, 145),
            PhaseEnd(3, 50, 165, 166),
            SessionEnd(60, 165, 170, 0),
        ]
    )
    process = made.process(10)
    assert (process.overlap_bytes, process.outside_phases_bytes) == (0, 15)
    a, b, outside = made.phases(10).values()
    assert a.resident is not None
    assert b.resident is not None
    assert (a.path, a.calls, a.errors, a.wall_ns) == ("a", 2, 0, 30)
    assert (a.resident.before_bytes, a.resident.after_bytes, a.resident.delta_bytes) == (110, 165, 50)
    assert (a.resident.peak_bytes, b.resident.peak_bytes) == (170, 170)
    assert (b.path, b.errors, b.error_types) == ("a/b", 1, {"ValueError": 1})
    assert outside.wall_ns == 60 - 30


def test_the_change_that_two_concurrent_phases_share_is_the_overlap() -> None:
    made = fold(
        [
            session_begin(100),
            PhaseBegin(1, 0, "a", 1, 10, 100),
            PhaseBegin(2, 0, "b", 2, 20, 110),
            PhaseEnd(1, 30, 150, 150),
            PhaseEnd(2, 40, 160, 160),
            SessionEnd(50, 160, 160, 0),
        ]
    )
    assert made.process(10).overlap_bytes == 50 + 50 - 60


def test_what_a_probe_leaves_behind_counts_only_in_the_phases_around() -> None:
    made = fold(
        [
            session_begin(100),
            PhaseBegin(1, 0, "a", 1, 10, 100),
            PhaseBegin(2, 1, "b", 1, 20, 100),
            Overhead(2, "objects", 5, 30),
            PhaseEnd(2, 30, 100, 100),
            PhaseEnd(1, 40, 130, 130),
            SessionEnd(50, 130, 130, 0),
        ]
    )
    a, b, _ = made.phases(10).values()
    assert a.resident is not None
    assert b.resident is not None
    assert (a.resident.tracer_bytes, b.resident.tracer_bytes) == (30, 0)


def test_what_a_probe_costs_at_its_stop_is_not_part_of_the_session_s_rss() -> None:
    made = fold(
        [
            session_begin(100),
            Overhead(0, "native", 7, 30),
            PhaseBegin(1, 0, "a", 1, 10, 130),
            Overhead(1, "objects", 2, 4),
            PhaseEnd(1, 30, 150, 150),
            Overhead(0, "native", 0, 20),
            Overhead(0, "native", 3, -15, stopping=True),
            SessionEnd(50, 150, 150, 0),
        ]
    )
    costs = {cost.probe: (cost.pid, cost.wall_ns, cost.rss_bytes, cost.during_bytes) for cost in made.overhead(10)}
    assert costs == {"native": (10, 10, 35, 50), "objects": (10, 2, 4, 4)}


def test_records_without_their_begin_are_ignored() -> None:
    made = fold([PhaseEnd(7, 10, 100, 100), Sample(20, 50, 60)])
    assert list(made.phases(10)) == [OUTSIDE]
    assert made.process(10).python == "unknown"


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=500), st.sampled_from([4, 10, 64]))
def test_a_thinned_timeline_keeps_its_highest_sample(values: list[int], limit: int) -> None:
    timeline = TimelineFold(limit)
    for at, value in enumerate(values):
        timeline.add(at, value, OUTSIDE)
    samples = timeline.samples()
    assert len(samples) <= limit
    assert max(sample.rss_bytes for sample in samples) == max(values)
    assert [sample.time_ns for sample in samples] == sorted(sample.time_ns for sample in samples)
    assert all(values[sample.time_ns] == sample.rss_bytes for sample in samples)
