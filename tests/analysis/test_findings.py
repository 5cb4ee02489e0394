"""The facts of a report's first paragraph, and the parts that each phase adds by itself."""

from __future__ import annotations

from fwmemtrace import results
from fwmemtrace.analysis.findings import Contributor, MemoryLimit, findings
from fwmemtrace.analysis.phase_tree import own_changes, phase_tree

MB = 10**6


def process(**changes: object) -> results.Process:
    fields: dict[str, object] = {
        "pid": 7,
        "parent_pid": 1,
        "python": "3.11.7",
        "platform": "linux",
        "command": ["python", "service.py"],
        "started_unix_ns": 0,
        "ended": "closed",
        "last_phase": None,
        "peak_source": "kernel",
        "probes": ["resident"],
        "wall_ns": 1,
        "before_session_bytes": 20 * MB,
        "end_bytes": 100 * MB,
        "peak_bytes": 120 * MB,
        "outside_phases_bytes": 0,
        "overlap_bytes": 0,
        "lost_records": 0,
    }
    return results.Process(**{**fields, **changes})  # type: ignore[arg-type]


def row(path: str, delta: int, peak: int = 0) -> results.PhaseRow:
    resident = results.Resident(before_bytes=0, after_bytes=delta, delta_bytes=delta, peak_bytes=peak)
    return results.PhaseRow(path=path, pid=7, calls=1, errors=0, wall_ns=1, resident=resident)


def report(*phases: results.PhaseRow, processes: list[results.Process]) -> results.TraceReport:
    info = results.TraceInfo(complete=True, lost_records=0, damaged_bytes=0, notes=[], processes=processes)
    return results.TraceReport(trace=info, phases=list(phases))


def test_a_trace_without_a_process_has_none() -> None:
    assert findings(report(processes=[])) is None


def test_contributors_are_the_largest_and_small_ones_are_left_out() -> None:
    phases = [row("init", 60 * MB), row("init/load", 50 * MB), row("tiny", MB), row("request", 19 * MB)]
    found = findings(report(*phases, processes=[process()]))
    assert found is not None
    assert list(found.contributors) == [
        Contributor("phase", "init/load", 50 * MB, 0.5),
        Contributor("before session", "", 20 * MB, 0.2),
        Contributor("phase", "request", 19 * MB, 0.19),
    ]


def test_a_process_without_rss_has_no_contributors() -> None:
    found = findings(report(row("init", 60 * MB), processes=[process(end_bytes=0)]))
    assert found is not None
    assert list(found.contributors) == []


def test_the_peak_is_in_the_innermost_phase_that_reached_it() -> None:
    phases = [
        row("a", 0, 120 * MB),
        row("a/b\\/c", 0, 120 * MB - 1000),
        row("a/b\\/c/d", 0, 100 * MB),
        row("", 0, 120 * MB),
    ]
    found = findings(report(*phases, processes=[process()]))
    assert found is not None
    assert found.peak_phase == "a/b\\/c"
    outside = findings(report(row("a", 0, 90 * MB), processes=[process()]))
    assert outside is not None
    assert outside.peak_phase is None


def test_the_largest_process_is_described_and_all_are_counted() -> None:
    found = findings(report(processes=[process(), process(pid=8, peak_bytes=300 * MB, end_bytes=200 * MB)]))
    assert found is not None
    assert (found.process.pid, found.processes, found.total_bytes) == (8, 2, 300 * MB)


def test_a_limit_may_have_killed_a_process_that_did_not_end_its_session() -> None:
    group = results.Cgroup(current_bytes=90 * MB, peak_bytes=None, limit_bytes=100 * MB)
    killed = findings(report(processes=[process(ended="not closed", last_phase="init", cgroup=group)]))
    closed = findings(report(processes=[process(cgroup=group)]))
    assert killed is not None
    assert closed is not None
    assert killed.possible_kill == MemoryLimit(100 * MB, None, 90 * MB)
    assert closed.possible_kill is None


def test_own_changes_add_up_to_the_outermost_phases() -> None:
    phases = [row("a", 50), row("a/b", 30), row("a/b/c", 10), row("d", 5), row("d/e", 9)]
    own = dict(own_changes(phase_tree(phases)))
    assert own == {"a": 20, "a/b": 20, "a/b/c": 10, "d": 5}  # d/e gave back what it grew by
    assert sum(own.values()) == 55


def test_a_phase_whose_parent_has_no_row_moves_up() -> None:
    tree = phase_tree([row("a", 1), row("a/b/c", 1), row("x/y", 1)])
    assert tree.children == {(): [("a",), ("x", "y")], ("a",): [("a", "b", "c")]}
