"""Comparing two traces."""

from __future__ import annotations

import msgspec
import pytest

from fwmemtrace import results
from fwmemtrace.analysis.diff import RunOfTrace, compare
from fwmemtrace.analysis.diff.thresholds import exceeding
from fwmemtrace.reports.blocks import Table
from fwmemtrace.reports.difference import difference_document
from fwmemtrace.results.diff import BeforeAfter, Comparison

MB = 10**6


def process(pid: int = 1, *, before: int = 20 * MB, end: int = 100 * MB, command: tuple[str, ...] = ("python", "a.py")):
    return results.Process(
        pid=pid,
        parent_pid=0,
        python="3.11",
        platform="linux",
        command=list(command),
        started_unix_ns=0,
        ended="closed",
        last_phase=None,
        peak_source="kernel",
        probes=["resident"],
        wall_ns=10**12,
        before_session_bytes=before,
        end_bytes=end,
        peak_bytes=end,
        outside_phases_bytes=0,
        overlap_bytes=0,
        lost_records=0,
    )


def phase(
    path: str, delta: int, *, above: int | None = None, calls: int = 1, pid: int = 1, wall: int = 1
) -> results.PhaseRow:
    return results.PhaseRow(
        path=path,
        pid=pid,
        calls=calls,
        errors=0,
        wall_ns=wall,
        resident=results.Resident(
            before_bytes=20 * MB,
            after_bytes=20 * MB + delta,
            delta_bytes=delta,
            peak_bytes=20 * MB + (max(delta, 0) if above is None else above),
        ),
    )


def run(phases: list[results.PhaseRow], processes: list[results.Process] | None = None, **tables) -> RunOfTrace:
    info = results.TraceInfo(
        complete=True, lost_records=0, damaged_bytes=0, notes=[], processes=processes or [process()]
    )
    return RunOfTrace(results.TraceReport(trace=info, phases=[*phases, phase("", 0)], **tables))


def named(comparison: Comparison) -> list[tuple[str, str]]:
    return [(difference.path, difference.metric) for difference in comparison.differences]


def test_what_grew_is_named_at_the_innermost_phase() -> None:
    old = run([phase("main", 60 * MB), phase("main/load", 50 * MB), phase("main/load/model", 40 * MB)])
    new = run([phase("main", 80 * MB), phase("main/load", 70 * MB), phase("main/load/model", 60 * MB)])
    comparison = compare([old], [new])
    assert named(comparison) == [("main/load/model", "rss")]
    assert comparison.differences[0].bytes == BeforeAfter(40 * MB, 60 * MB)


def test_small_changes_are_noise() -> None:
    old = run([phase("main", 60 * MB), phase("main/load", 50 * MB)])
    new = run([phase("main", 61 * MB), phase("main/load", 50 * MB + 400_000)])
    assert compare([old], [new]).differences == []


def test_a_peak_that_is_given_back_is_a_difference_of_the_phase_that_has_it() -> None:
    old = run([phase("main", 10 * MB, above=30 * MB), phase("main/sort", 0, above=15 * MB)])
    new = run([phase("main", 10 * MB, above=50 * MB), phase("main/sort", 0, above=35 * MB)])
    assert named(compare([old], [new])) == [("main/sort", "peak")]


def test_what_another_phase_keeps_is_not_in_a_peak_twice() -> None:
    old = run([phase("fill", 10 * MB, calls=5), phase("use", 0, above=20 * MB, calls=5)])
    new = run([phase("fill", 30 * MB, calls=5), phase("use", 0, above=40 * MB, calls=5)])
    assert named(compare([old], [new])) == [("fill", "rss")]


def test_new_and_missing_phases_are_said_to_be() -> None:
    comparison = compare([run([phase("old work", 5 * MB, calls=3)])], [run([phase("added", 40 * MB, calls=4)])])
    (change,) = comparison.processes
    assert {row.path: row.status for row in change.phases} == {"added": "added", "old work": "removed", "": "kept"}
    assert named(comparison) == [("added", "rss"), ("old work", "rss")]


@pytest.mark.parametrize(
    ("old_name", "new_name", "size"),
    [("load model", "load_model", 60 * MB), ("init", "startup", 40 * MB)],
    ids=["nearly the same name, another size", "another name, the same size"],
)
def test_a_renamed_phase_is_compared_with_what_it_was(old_name: str, new_name: str, size: int) -> None:
    old = run([phase(old_name, 40 * MB), phase(f"{old_name}/inner", 30 * MB), phase("serve", 3 * MB, calls=9)])
    new = run([phase(new_name, size), phase(f"{new_name}/inner", size - 10 * MB), phase("serve", 3 * MB, calls=9)])
    comparison = compare([old], [new])
    rows = {row.path: row for row in comparison.processes[0].phases}
    assert rows[new_name].status == rows[f"{new_name}/inner"].status == "renamed"
    assert rows[f"{new_name}/inner"].renamed_from == f"{old_name}/inner"
    assert named(comparison) == ([(f"{new_name}/inner", "rss")] if size != 40 * MB else [])


def test_two_candidates_for_a_rename_are_none() -> None:
    old = run([phase("load a", 40 * MB), phase("load b", 40 * MB)])
    new = run([phase("load c", 40 * MB), phase("load d", 40 * MB)])
    statuses = [row.status for row in compare([old], [new]).processes[0].phases if row.path]
    assert sorted(statuses) == ["added", "added", "removed", "removed"]


def test_the_spread_of_several_runs_is_the_noise() -> None:
    old = [run([phase("load", size * MB)]) for size in (40, 52, 45)]
    within = [run([phase("load", size * MB)]) for size in (58, 50, 49)]
    beyond = [run([phase("load", size * MB)]) for size in (78, 70, 69)]
    assert compare(old, within).differences == []
    comparison = compare(old, beyond)
    assert comparison.noise == "measured"
    assert comparison.differences[0].bytes == BeforeAfter(45 * MB, 70 * MB)
    # With one run each, the first two of them would differ.
    assert named(compare(old[:1], within[:1])) == [("load", "rss")]


def test_repeats_in_one_trace_are_told_by_their_purpose() -> None:
    def suite(*sizes: int) -> RunOfTrace:
        pids = range(1, len(sizes) + 1)
        rows = [phase("init", size * MB, pid=pid) for pid, size in zip(pids, sizes, strict=True)]
        report = msgspec.structs.replace(run(rows, [process(pid) for pid in pids]).report)
        return RunOfTrace(report, dict.fromkeys(pids, "guard resident"))

    comparison = compare([suite(30, 31, 38)], [suite(33, 37, 32)])
    assert (comparison.noise, comparison.differences) == ("measured", [])
    assert [change.name for change in comparison.processes] == ["guard resident"]
    assert comparison.processes[0].runs == BeforeAfter(3, 3)


def test_workers_are_compared_by_their_size_and_new_processes_are_differences() -> None:
    def pool(*sizes: int) -> RunOfTrace:
        workers = [process(2 + at, end=size * MB) for at, size in enumerate(sizes)]
        rows = [phase("work", (size - 20) * MB, pid=worker.pid) for worker, size in zip(workers, sizes, strict=True)]
        return run([phase("main", MB), *rows], [process(), *workers])

    assert compare([pool(50, 90)], [pool(90, 50)]).differences == []
    comparison = compare([pool(50, 90)], [pool(90, 50, 70)])
    assert [change.status for change in comparison.processes] == ["kept", "kept", "kept", "added"]
    comparison = compare([pool(50, 90)], [pool(110, 50)])
    assert [(one.process, one.path) for one in comparison.differences] == [("worker", "work")]


def test_memory_that_does_not_show_in_rss_is_named_by_its_kind() -> None:
    def kinds(used: int, free: int) -> list[results.Ledger]:
        items = [
            results.LedgerItem(category="native heap", owner="malloc", bytes=used),
            results.LedgerItem(category="allocator free", owner="malloc", bytes=free),
        ]
        return [results.Ledger(path="load", rss_delta_bytes=used + free, unexplained_bytes=0, items=items, pid=1)]

    old = run([phase("load", 40 * MB)], ledger=kinds(10 * MB, 30 * MB))
    new = run([phase("load", 40 * MB)], ledger=kinds(30 * MB, 10 * MB))
    (difference,) = compare([old], [new]).differences
    assert (difference.path, difference.metric, difference.category) == ("load", "kind", "native heap")
    assert difference.bytes == BeforeAfter(10 * MB, 30 * MB)


@pytest.mark.parametrize(("threshold", "fails"), [(10 * MB, True), (30 * MB, False), (0.2, True), (0.4, False)])
def test_growth_above_a_threshold(threshold: float, fails: bool) -> None:
    comparison = compare([run([phase("load", 40 * MB)])], [run([phase("load", 60 * MB)])])
    assert bool(exceeding(comparison, threshold)) is fails
    assert exceeding(compare([run([phase("load", 60 * MB)])], [run([phase("load", 40 * MB)])]), threshold) == []


def test_workers_are_the_same_whatever_their_arguments_are() -> None:
    def workers(*commands: tuple[str, ...]) -> RunOfTrace:
        return run([], [process(), *(process(2 + at, command=command) for at, command in enumerate(commands))])

    old = workers(("python", "a.py"), ("python", "-c", "from multiprocessing.spawn import x; x(3)"), ("py", "b/w.py"))
    new = workers(
        ("python", "a.py"), ("python", "-c", "from multiprocessing.spawn import x; x(9)"), ("py", "c/w.py", "7")
    )
    names = [(change.name, change.status) for change in compare([old], [new]).processes]
    assert names == [(name, "kept") for name in ("main process", "worker", "worker spawned", "worker w.py")]


def test_many_phases_are_compared_in_a_moment_and_only_those_that_differ_are_shown() -> None:
    def many(name: str, size: int) -> RunOfTrace:
        rows = [phase(f"group {number // 100}/{name} {number}", 1000) for number in range(3000)]
        groups = [phase(f"group {number}", 100_000, wall=1000) for number in range(30)]
        rows[170] = phase(rows[170].path, size)
        groups[1] = phase("group 1", 99_000 + size, wall=1000)
        return run([*groups, *rows])

    def rows_shown(comparison: Comparison) -> int:
        return sum(
            len(table.rows)
            for section in difference_document(comparison).sections
            for table in section.blocks
            if isinstance(table, Table)
        )

    comparison = compare([many("route", 1000)], [many("route", 30 * MB)])
    assert named(comparison) == [("group 1/route 170", "rss")]
    assert rows_shown(comparison) < 300
    renamed = compare([many("route", 1000)], [many("path", 1000)])
    assert {row.status for row in renamed.processes[0].phases} == {"kept", "added", "removed"}


def test_a_worker_does_not_answer_for_what_it_was_forked_with() -> None:
    def forked(size: int, own: int = 0) -> RunOfTrace:
        rows = [phase("load", size), phase("work", 5 * MB + own, pid=2)]
        return run(rows, [process(end=size), process(2, before=20 * MB + size, end=25 * MB + size + own)])

    grown = compare([forked(40 * MB)], [forked(60 * MB)])
    assert [(one.process, one.path) for one in grown.differences] == [("main process", "load")]
    both = compare([forked(40 * MB)], [forked(60 * MB, 30 * MB)])
    assert [(one.process, one.path) for one in both.differences] == [("worker", "work"), ("main process", "load")]


def test_an_open_phase_that_was_read_before_what_is_inside_it_is_no_difference() -> None:
    def ledger(path: str, used: int) -> results.Ledger:
        items = [results.LedgerItem(category="native heap", owner="malloc", bytes=used)]
        return results.Ledger(path=path, rss_delta_bytes=used, unexplained_bytes=0, items=items, pid=1)

    def serve(size: int) -> RunOfTrace:
        rows = [phase("serve", size + MB), phase("serve/task", size)]
        return run(rows, ledger=[ledger("serve", 0), ledger("serve/task", size)])

    assert named(compare([serve(MB)], [serve(21 * MB)])) == [("serve/task", "rss")]


def test_phases_that_overlap_are_judged_by_the_whole_and_named_by_their_stacks() -> None:
    def threads(work: int, end: int, risen: int) -> RunOfTrace:
        main = process(end=end)
        main.overlap_bytes, main.wall_ns = 30 * MB, 10
        frame = results.Frame(function="work", file="/app/work.py", line=3)
        rise = results.Rise(path="work", bytes=risen, looks=1, line=frame, package="", stack=[frame])
        rises = results.Rises(
            pid=1, rss_delta_bytes=0, imported_bytes=0, risen_bytes=0, fallen_bytes=0, unattributed_bytes=0,
            stacks=[rise],
        )  # fmt: skip
        return run([phase("main", 40 * MB, wall=9), phase("work", work, wall=9)], [main], rises=[rises])

    # How much of each other's changes they have is accidental: the process is as large as before.
    assert compare([threads(40 * MB, 60 * MB, 9 * MB)], [threads(60 * MB, 60 * MB, 9 * MB)]).differences == []
    grown = compare([threads(40 * MB, 60 * MB, 9 * MB)], [threads(42 * MB, 80 * MB, 28 * MB)])
    assert named(grown) == [("work", "rises")]
