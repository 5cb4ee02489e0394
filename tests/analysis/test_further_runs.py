"""The report of a first run with the tables of further ones."""

from __future__ import annotations

from typing import Any

from builders import process_result
from fwmemtrace import results
from fwmemtrace.analysis.further_runs import pair_processes, with_further_runs

MB = 10**6


def report(pid: int, peak: int, probes: list[str], **tables: Any) -> results.TraceReport:
    process = process_result(pid=pid, probes=["resident", *probes], end_bytes=peak, peak_bytes=peak)
    resident = results.Resident(before_bytes=0, after_bytes=peak, delta_bytes=peak, peak_bytes=peak)
    phase = results.PhaseRow(path="load", pid=pid, calls=1, errors=0, wall_ns=1, resident=resident)
    info = results.TraceInfo(complete=True, lost_records=0, damaged_bytes=0, notes=[], processes=[process])
    return results.TraceReport(trace=info, phases=[phase], **tables)


def trend(metric: str, **changes: Any) -> results.Growth:
    return results.Growth(
        path="load", calls=9, slope_bytes_per_call=1.0, low=1.0, high=1.0, verdict="growing", metric=metric, **changes
    )


def test_a_phase_has_the_figures_of_the_probe_and_the_rss_of_the_first_run() -> None:
    first, run = report(1, 100 * MB, []), report(2, 900 * MB, ["objects"])
    run.phases[0].objects = results.Objects(delta_count=5, delta_bytes=MB, top=[])
    run.trace.notes = ["a note"]
    made = with_further_runs(first, [("trace.deep-objects.bin", run)])
    (phase,) = made.phases
    assert phase.objects == run.phases[0].objects
    assert phase.resident == first.phases[0].resident
    assert phase.pid == 1
    assert made.trace.processes == first.trace.processes
    assert made.trace.notes == ["trace.deep-objects.bin: a note"]
    assert made.runs == [
        results.Run(
            file="trace.deep-objects.bin",
            pid=2,
            probes=["resident", "objects"],
            tables=["objects"],
            peak_bytes=900 * MB,
        )
    ]


def test_the_report_of_the_first_run_is_not_changed() -> None:
    first, run = report(1, 100 * MB, [], growth=[trend("rss")]), report(2, 900 * MB, ["objects"])
    run.phases[0].objects = results.Objects(delta_count=5, delta_bytes=MB, top=[])
    run.growth = [trend("rss", types=[results.TypeGrowth(type="Item", delta_count=9, delta_bytes=9)])]
    with_further_runs(first, [("x.bin", run)])
    assert first == report(1, 100 * MB, [], growth=[trend("rss")])


def test_growth_has_the_trends_of_the_probe_and_what_it_knows_of_the_trend_of_rss() -> None:
    types = [results.TypeGrowth(type="Item", delta_count=9, delta_bytes=9)]
    first = report(1, 100 * MB, [], growth=[trend("rss", pid=1)])
    run = report(2, 900 * MB, ["objects"], growth=[trend("rss", pid=2, types=types), trend("objects", pid=2)])
    made = with_further_runs(first, [("x.bin", run)])
    assert made.growth is not None
    assert [(row.metric, row.pid, len(row.types)) for row in made.growth] == [("rss", 1, 1), ("objects", 1, 0)]


def test_a_probe_of_the_first_run_keeps_its_figures() -> None:
    first, run = report(1, 100 * MB, ["objects"]), report(2, 900 * MB, ["objects"])
    first.phases[0].objects = results.Objects(delta_count=5, delta_bytes=MB, top=[])
    run.phases[0].objects = results.Objects(delta_count=7, delta_bytes=MB, top=[])
    made = with_further_runs(first, [("x.bin", run)])
    assert made.phases[0].objects == first.phases[0].objects


def started(pid: int, second: int) -> results.TraceReport:
    made = report(pid, 100 * MB, [])
    made.trace.processes[0].started_unix_ns = second * 10**9
    return made


def test_workers_are_paired_by_their_start() -> None:
    first = [started(10, 1), started(999, 3), started(1001, 2)]
    run = [("a", started(20, 5)), ("b", started(1998, 6)), ("c", started(997, 7))]
    pairs = {one.trace.processes[0].pid: [name for name, _ in runs] for one, runs in pair_processes(first, [run])}
    assert pairs == {10: ["a"], 1001: ["b"], 999: ["c"]}


def test_workers_of_a_run_with_another_number_of_them_are_left_out() -> None:
    first = [started(10, 1), started(999, 3)]
    assert [len(runs) for _, runs in pair_processes(first, [[("a", started(20, 5))]])] == [1, 0]


def test_a_process_of_which_nothing_is_known_is_left_as_it_is() -> None:
    empty = report(1, 100 * MB, [])
    empty.trace.processes = []
    assert [runs for _, runs in pair_processes([started(10, 1), empty], [])] == [[], []]
    pairs = list(pair_processes([started(10, 1), empty], [[("a", started(20, 5)), ("b", started(21, 6))]]))
    assert [len(runs) for _, runs in pairs] == [1, 0]
