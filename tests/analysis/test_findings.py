"""The facts of the summary: what the peak came from, in which order, and what to run next."""

from __future__ import annotations

from typing import Any

from builders import process_result
from fwmemtrace import results
from fwmemtrace.analysis.causes import function_name
from fwmemtrace.analysis.findings import find
from fwmemtrace.analysis.phase_tree import own_changes, phase_tree

MB = 10**6
APP = "/srv/app/guard.py"
NUMPY = "/venv/lib/python3.11/site-packages/numpy/core.py"


def process(**changes: Any) -> results.Process:
    return process_result(**{"before_session_bytes": 20 * MB, "end_bytes": 100 * MB, "peak_bytes": 120 * MB, **changes})


def row(path: str, delta: int, peak: int = 0) -> results.PhaseRow:
    resident = results.Resident(before_bytes=0, after_bytes=delta, delta_bytes=delta, peak_bytes=peak)
    return results.PhaseRow(path=path, pid=7, calls=1, errors=0, wall_ns=1, resident=resident)


def report(*phases: results.PhaseRow, process: results.Process, **tables: Any) -> results.TraceReport:
    closed = process.ended == "closed"
    info = results.TraceInfo(complete=closed, lost_records=0, damaged_bytes=0, notes=[], processes=[process])
    return results.TraceReport(trace=info, phases=list(phases), **tables)


def summary(*phases: results.PhaseRow, **values: Any) -> results.Summary:
    """Of one process; values are its fields, or tables of the report."""
    fields = {name: value for name, value in values.items() if name in results.Process.__struct_fields__}
    tables = {name: value for name, value in values.items() if name not in fields}
    found = find([report(*phases, process=process(**fields), **tables)])
    assert found is not None
    return found


def rise(function: str, size: int, *, line: int = 1, path: str = "main", kept: int | None = None) -> results.Rise:
    own = results.Frame(function=function, file=APP, line=line)
    return results.Rise(
        path=path,
        bytes=size,
        looks=1,
        line=own,
        package="numpy",
        stack=[results.Frame(function="ones", file=NUMPY, line=5), own],
        at_peak_bytes=size,
        kept_bytes=size if kept is None else kept,
    )


def rises(*stacks: results.Rise, **fields: int) -> list[results.Rises]:
    total = sum(one.bytes for one in stacks)
    made = results.Rises(
        pid=7,
        rss_delta_bytes=total,
        imported_bytes=0,
        risen_bytes=total,
        fallen_bytes=0,
        unattributed_bytes=0,
        stacks=list(stacks),
        **fields,
    )
    return [made]


def imported(module: str, size: int, line: int = 0, phase: str = "import") -> results.Import:
    own = results.OwnImport(file=APP, line=line, module="sentence_transformers") if line else None
    return results.Import(
        module=module, parent=None, own_bytes=size, cumulative_bytes=size, wall_ns=0, phase=phase, nearest_own=own
    )


KINDS = {
    "blocks": ("native heap", "malloc, large blocks"),
    "malloc": ("native heap", "malloc"),
    "objects": ("python heap", "objects in arenas"),
    "torch": ("file", "torch"),
}


def moments(rss: int, **sizes: int) -> list[results.Composition]:
    """Of a process that consists of this, and had nothing of it at first."""
    items = [
        results.LedgerItem(
            category=KINDS[name][0],
            owner=KINDS[name][1],
            bytes=size,
            evictable_bytes=size if name == "torch" else 0,
            anonymous_bytes=0 if name == "torch" else size,
        )
        for name, size in sizes.items()
    ]
    begin = results.Composition(pid=7, moment="begin", path="", rss_bytes=0, unexplained_bytes=0, items=[])
    largest = results.Composition(pid=7, moment="largest", path="", rss_bytes=rss, unexplained_bytes=0, items=items)
    end = results.Composition(pid=7, moment="end", path="", rss_bytes=rss, unexplained_bytes=0, items=items)
    return [begin, largest, end]


def probes(found: results.Summary) -> list[str]:
    return [run.probe for run in found.next_runs]


def test_a_trace_without_a_process_has_none() -> None:
    assert find([]) is None


def test_the_function_that_made_most_comes_first_with_its_line_and_kind_of_memory() -> None:
    found = summary(
        rises=rises(rise("handle.<locals>.<listcomp>", 15 * MB, line=6), rise("load", 80 * MB, line=4)),
        composition=moments(120 * MB, blocks=81 * MB, objects=16 * MB),
    )
    first, second, third = found.causes
    assert (first.kind, first.bytes, first.package) == ("code", 80 * MB, "numpy")
    assert first.location == results.Frame(function="load", file=APP, line=4)
    assert (first.category, first.owner) == KINDS["blocks"]
    assert (second.kind, second.bytes) == ("before session", 20 * MB)
    assert third.location is not None
    assert (third.location.function, third.category) == ("handle", "python heap")


def test_the_kind_of_memory_is_left_open_where_two_kinds_have_room() -> None:
    found = summary(rises=rises(rise("load", 50 * MB)), composition=moments(120 * MB, blocks=50 * MB, objects=50 * MB))
    assert found.causes[0].category == ""


def test_the_ledger_of_the_phase_tells_two_kinds_apart() -> None:
    items = [results.LedgerItem(category="python heap", owner="objects in arenas", bytes=50 * MB)]
    ledger = results.Ledger(path="load", rss_delta_bytes=50 * MB, unexplained_bytes=0, items=items)
    found = summary(
        rises=rises(rise("load", 50 * MB, path="load")),
        composition=moments(120 * MB, blocks=50 * MB, objects=50 * MB),
        ledger=[ledger],
    )
    assert found.causes[0].category == "python heap"


def test_what_the_caller_of_a_phase_seems_to_have_made_counts_for_the_function_inside() -> None:
    inside, caller = rise("request", 60 * MB, path="request"), rise("serve", 10 * MB, line=9, path="request")
    assert caller.line is not None
    inside.stack.append(caller.line)
    first, *rest = summary(rises=rises(inside, caller)).causes
    assert first.location == inside.line
    assert first.bytes == 70 * MB
    assert [cause.kind for cause in rest] == ["before session"]
    elsewhere = rise("serve", 10 * MB, line=9, path="main")
    assert summary(rises=rises(inside, elsewhere)).causes[0].bytes == 60 * MB


def test_shares_are_of_the_peak_and_never_above_1() -> None:
    found = summary(rises=rises(rise("load", 434 * MB, kept=0)), peak_bytes=440 * MB, end_bytes=32 * MB)
    assert [cause.kind for cause in found.causes] == ["code", "before session"]
    assert found.causes[0].share == 434 / 440
    assert summary(rises=rises(rise("load", 434 * MB)), peak_bytes=100 * MB).causes[0].share == 1


def test_imports_are_one_sum_by_the_lines_of_the_program_that_are_nearest() -> None:
    found = summary(
        imports=[
            imported("torch", 40 * MB, 109),
            imported("scipy", 20 * MB, 109),
            imported("torch.nn", 10 * MB, 109),
            imported("requests", 3 * MB, 12),
        ],
    )
    cause = found.causes[0]
    assert (cause.kind, cause.bytes, cause.path) == ("imports", 73 * MB, "import")
    first, second = cause.imports
    assert first.nearest_own == results.OwnImport(file=APP, line=109, module="sentence_transformers")
    assert (first.bytes, list(first.packages.items())) == (70 * MB, [("torch", 50 * MB), ("scipy", 20 * MB)])
    assert second.packages == {"requests": 3 * MB}


def test_without_rises_the_program_s_own_phases_are_causes_less_their_imports() -> None:
    phases = [row("main", 90 * MB), row("main/load", 60 * MB), row("main/load/read", 50 * MB)]
    found = summary(*phases, imports=[imported("torch", 30 * MB, 5, phase="main/load/read")])
    assert {(cause.kind, cause.path, cause.bytes) for cause in found.causes} == {
        ("imports", "main/load/read", 30 * MB),
        ("phase", "main/load/read", 20 * MB),
        ("before session", "", 20 * MB),
        ("phase", "main/load", 10 * MB),
    }


def test_a_kind_of_memory_is_a_cause_where_nothing_closer_is_known() -> None:
    found = summary(row("main", 80 * MB), composition=moments(120 * MB, blocks=70 * MB, malloc=10 * MB))
    assert [(cause.kind, cause.owner, cause.bytes) for cause in found.causes] == [
        ("memory", "malloc, large blocks", 70 * MB),
        ("before session", "", 20 * MB),
    ]


def test_a_phase_of_the_program_s_own_has_its_calls_its_growth_and_what_holds_it() -> None:
    steps = [results.HolderStep(type="builtins.module", link="", name="app")]
    holder = results.Holder(type="Item", count=60, delta_count=60, path="request", root="module", chain=steps)
    trend = results.Growth(
        path="request",
        calls=60,
        slope_bytes_per_call=float(MB),
        low=0.9 * MB,
        high=1.1 * MB,
        verdict="growing",
        held_by=[holder],
    )
    request = row("request", 60 * MB)
    request.calls = 60
    found = summary(request, rises=rises(rise("request", 60 * MB, path="request")), growth=[trend])
    cause = found.causes[0]
    assert (cause.calls, cause.bytes_per_call, cause.held_by) == (60, MB, holder)
    assert probes(found)[0] == "objects"


def test_tensors_are_named_by_their_model() -> None:
    load = row("load", 80 * MB)
    kind: dict[str, Any] = {"library": "torch", "dtype": "float32", "device": "cpu", "backing": "private"}
    group = results.TensorGroup(**kind, role="parameter", count=9, size_bytes=80 * MB, delta_bytes=80 * MB)
    storage = results.TensorStorage(
        **kind, role="parameter", owner="weight", model="BertModel", shape=[1], size_bytes=60 * MB
    )
    load.tensors = results.Tensors(
        live_bytes=80 * MB, delta_bytes=80 * MB, by_dtype={}, file_backed_bytes=0, groups=[group], top=[storage]
    )
    found = summary(load, rises=rises(rise("load", 80 * MB, path="load")))
    assert found.causes[0].tensors == "BertModel"


def test_what_the_kernel_can_evict_is_told_apart() -> None:
    assert summary(composition=moments(120 * MB, torch=70 * MB, malloc=30 * MB)).evictable_bytes == 70 * MB
    assert summary().evictable_bytes is None


def test_what_was_never_touched_is_known_from_malloc_alone() -> None:
    taken = moments(120 * MB, malloc=30 * MB)
    taken[1].untouched_bytes = 900 * MB
    assert summary(composition=taken).untouched == results.Untouched(bytes=900 * MB)
    taken[1].untouched_bytes = MB
    assert summary(composition=taken).untouched is None


def test_what_was_reserved_in_mappings_is_told_apart() -> None:
    taken = moments(120 * MB, malloc=30 * MB)
    taken[0].untouched_bytes = 800 * MB
    taken[1].untouched_bytes, taken[1].reserved_bytes = 100 * MB, 900 * MB
    assert summary(composition=taken).untouched == results.Untouched(bytes=1000 * MB, reserved_bytes=900 * MB)


def test_what_was_never_touched_asks_for_the_native_probe() -> None:
    taken = moments(120 * MB)
    taken[1].untouched_bytes = 900 * MB
    (run,) = summary(composition=taken).next_runs
    assert (run.probe, run.bytes) == ("native", 900 * MB)


def test_threads_that_have_not_ended_are_counted() -> None:
    made = rise("watch", 80 * MB)
    made.threads = 9
    taken = moments(120 * MB, blocks=80 * MB)
    taken[0].threads, taken[-1].threads = 2, 10
    assert summary(rises=rises(made), composition=taken).causes[0].threads == 8
    taken[-1].threads = 3
    assert summary(rises=rises(made), composition=taken).causes[0].threads == 0


def test_the_part_of_a_cause_that_stayed_has_its_kind_from_the_end() -> None:
    taken = moments(60 * MB, malloc=20 * MB)  # the mappings were not read at the peak
    taken[-1].items = [
        results.LedgerItem(category="allocator free", owner="malloc", bytes=42 * MB),
        results.LedgerItem(category="python heap", owner="objects in arenas", bytes=9 * MB),
    ]
    first = summary(rises=rises(rise("load", 80 * MB, kept=40 * MB)), composition=taken).causes[0]
    assert (first.category, first.kept_category, first.kept_owner) == ("", "allocator free", "malloc")


def forked(pid: int, private: list[int], rss: list[int], line: int | None) -> results.TraceReport:
    moments = ("begin", "largest", "end")
    taken = [
        results.Composition(
            pid=pid, moment=moment, path="", rss_bytes=size, unexplained_bytes=0, items=[], private_bytes=own
        )
        for moment, own, size in zip(moments, private, rss, strict=False)
    ]
    found = rises()
    found[0].copied_at = line and results.Frame(function="work", file=APP, line=line)
    return report(process=process(pid=pid, parent_pid=7), composition=taken, rises=found)


def test_pages_that_forked_processes_copied_are_added_up_without_what_they_allocated() -> None:
    parent = report(process=process())
    found = find(
        [
            parent,
            forked(8, [3 * MB, 60 * MB, 50 * MB], [100 * MB, 110 * MB, 110 * MB], 5),
            forked(9, [3 * MB, 40 * MB, 40 * MB], [100 * MB, 100 * MB, 100 * MB], 6),
            forked(10, [3 * MB], [100 * MB], None),
        ]
    )
    assert found is not None
    assert found.copied is not None
    assert (found.copied.processes, found.copied.bytes) == (2, 84 * MB)
    assert found.copied.location == results.Frame(function="work", file=APP, line=5)
    killed = forked(8, [3 * MB, 4 * MB], [100 * MB, 100 * MB], 5)
    killed.trace.processes[0].ended = "not closed"
    assert killed.rises
    killed.rises[0].copied_bytes = 70 * MB
    found = find([parent, killed])
    assert found is not None
    assert found.copied is not None
    assert found.copied.bytes == 70 * MB
    started = forked(8, [3 * MB, 60 * MB], [100 * MB, 100 * MB], 5)
    started.trace.processes[0].command = ["python", "other.py"]
    found = find([parent, started])
    assert found is not None
    assert found.copied is None


def test_what_a_forked_process_began_with_does_not_make_it_the_largest() -> None:
    child = process(pid=8, parent_pid=7, before_session_bytes=115 * MB, peak_bytes=125 * MB)
    found = find([report(process=process()), report(process=child)])
    assert found is not None
    assert found.pid == 7
    started = process(pid=8, parent_pid=7, command=["python", "other.py"], peak_bytes=125 * MB)
    found = find([report(process=process()), report(process=started)])
    assert found is not None
    assert found.pid == 8


def layer(size: int, *functions: str, first: int = 0, last: int = 100) -> results.Rise:
    """A rise of the first of these functions, which the others called, the outermost last."""
    stack = [results.Frame(function=name, file=APP, line=number) for number, name in enumerate(functions, 1)]
    made = rise(functions[0], size)
    made.line, made.stack, made.first_ns, made.last_ns = stack[0], stack, first, last
    return made


def test_layers_of_a_request_are_told_together_under_the_function_that_calls_them() -> None:
    stacks = [
        layer(30 * MB, "Child.__init__", "labels", "observe", "serve", "main", "<module>"),
        layer(28 * MB, "labels.<locals>.<listcomp>", "labels", "observe", "serve", "main", "<module>"),
        layer(20 * MB, "observe", "serve", "main", "<module>"),
        layer(9 * MB, "warm_up", "main", "<module>", last=5),
    ]
    first, *others = summary(rises=rises(*stacks)).causes
    assert first.location == results.Frame(function="observe", file=APP, line=3)
    assert first.bytes == 78 * MB
    assert [(part.location.function, part.bytes) for part in first.parts] == [
        ("Child.__init__", 30 * MB),
        ("labels", 28 * MB),
        ("observe", 20 * MB),
    ]
    assert [cause.bytes for cause in others if cause.kind == "code"] == [9 * MB]


def test_the_steps_of_a_job_are_told_one_by_one() -> None:
    stacks = [
        layer(40 * MB, "read", "job", "<module>", first=0, last=40),
        layer(50 * MB, "clean", "job", "<module>", first=40, last=100),
    ]
    found = [cause for cause in summary(rises=rises(*stacks)).causes if cause.kind == "code"]
    assert [(cause.location and cause.location.function, cause.bytes) for cause in found] == [
        ("clean", 50 * MB),
        ("read", 40 * MB),
    ]


def test_a_function_is_told_together_with_the_loop_of_the_module_that_calls_it() -> None:
    handle = layer(60 * MB, "handle", "<module>")
    first, *_ = summary(rises=rises(handle, layer(20 * MB, "<module>"))).causes
    assert (first.location and first.location.function, first.bytes) == ("handle", 80 * MB)
    assert [(part.location.function, part.bytes) for part in first.parts] == [
        ("handle", 60 * MB),
        ("<module>", 20 * MB),
    ]
    little = summary(rises=rises(handle, layer(MB, "<module>"))).causes[0]
    assert (little.bytes, little.parts) == (61 * MB, [])
    elsewhere = layer(20 * MB, "<module>")
    elsewhere.path = "main/load"
    for other in (layer(50 * MB, "<module>"), layer(20 * MB, "answer", "<module>"), elsewhere):
        found = [cause.bytes for cause in summary(rises=rises(handle, other)).causes if cause.kind == "code"]
        assert found == [60 * MB, other.bytes]


def test_a_step_of_the_module_is_not_told_with_a_function_that_it_calls() -> None:
    handle = layer(60 * MB, "handle", "<module>", first=0, last=100)
    step = layer(20 * MB, "<module>", first=100, last=110)
    step.line = results.Frame(function="<module>", file=APP, line=30)
    step.stack[0] = step.line
    found = [cause.bytes for cause in summary(rises=rises(handle, step)).causes if cause.kind == "code"]
    assert found == [60 * MB, 20 * MB]


def test_a_function_that_made_nearly_all_stands_for_itself() -> None:
    stacks = [layer(88 * MB, "keep", "serve", "<module>"), layer(4 * MB, "serve", "<module>")]
    first = summary(rises=rises(*stacks)).causes[0]
    assert first.location is not None
    assert (first.location.function, first.bytes, first.parts) == ("keep", 88 * MB, [])


def test_segments_of_shared_memory_are_one_kind() -> None:
    taken = moments(120 * MB)
    taken[1].items = [
        results.LedgerItem(category="shared memory", owner=f"psm_{number}", bytes=8 * MB) for number in range(10)
    ]
    first = summary(rises=rises(rise("publish", 80 * MB)), composition=taken).causes[0]
    assert (first.category, first.owner) == ("shared memory", "")


def test_what_was_never_touched_has_its_site_from_the_native_probe() -> None:
    caller = results.Frame(function="work", file=APP, line=5)
    site = results.NativeSite(
        live_bytes=1000 * MB, allocated_bytes=1000 * MB, allocations=1, library=None, stack=[caller], caller=caller
    )
    phase = row("work", 0)
    phase.native = results.Native(
        live_bytes=1010 * MB, reserved_bytes=10 * MB, including_inner=results.NativeTotals(), top=[site]
    )
    found = summary(phase, composition=moments(120 * MB, malloc=30 * MB, torch=60 * MB)).untouched
    assert found == results.Untouched(bytes=970 * MB, live_bytes=1000 * MB, location=caller)
    killed = summary(phase, composition=moments(20 * MB, malloc=20 * MB), end_bytes=990 * MB, peak_bytes=990 * MB)
    assert killed.untouched is None  # its mappings were last read before it grew


def test_the_next_run_follows_from_the_composition() -> None:
    assert probes(summary(composition=moments(120 * MB, malloc=60 * MB))) == ["native"]
    assert probes(summary(composition=moments(120 * MB, blocks=60 * MB))) == ["native"]
    assert probes(summary(composition=moments(120 * MB, blocks=60 * MB, torch=30 * MB))) == ["tensors"]
    assert probes(summary(composition=moments(120 * MB, objects=60 * MB, malloc=20 * MB))) == ["python_heap", "native"]
    assert probes(summary(composition=moments(120 * MB, torch=60 * MB))) == []


def test_the_next_run_follows_from_the_code_where_the_mappings_were_not_read_at_the_peak() -> None:
    assert probes(summary(rises=rises(rise("spike", 90 * MB)))) == ["tensors"]  # it is numpy's
    small = moments(30 * MB, objects=5 * MB)
    assert probes(summary(rises=rises(rise("spike", 90 * MB)), composition=small)) == ["tensors"]


def test_a_large_fall_that_takes_back_what_many_calls_left_asks_for_the_collector() -> None:
    one_call = rises(largest_fall_bytes=100 * MB, largest_fall_calls=1)
    assert probes(summary(rises=one_call)) == []
    many_calls = rises(largest_fall_bytes=100 * MB, largest_fall_calls=50)
    assert probes(summary(rises=many_calls)) == ["collector"]


def test_a_probe_that_was_on_is_not_suggested() -> None:
    assert probes(summary(composition=moments(120 * MB, malloc=60 * MB), probes=["resident", "native"])) == []


def test_the_next_run_is_the_program_s_own_command() -> None:
    command = ["/usr/bin/python3", "-m", "fwmemtrace", "run", "-o", "a.bin", "--probes", "tensors", "-m", "app", "-x"]
    (run,) = summary(composition=moments(120 * MB, malloc=60 * MB), command=command).next_runs
    assert run.command == [
        *["/usr/bin/python3", "-m", "fwmemtrace", "run", "--report"],
        *["--probes", "native", "--native-traces", "-m", "app", "-x"],
    ]
    (other,) = summary(composition=moments(120 * MB, malloc=60 * MB)).next_runs
    assert other.command == []


def test_a_comprehension_counts_for_its_function() -> None:
    assert function_name("f.<locals>.<listcomp>.<lambda>") == "f"
    assert function_name("<module>") == "<module>"


def test_the_peak_is_in_the_innermost_phase_that_reached_it() -> None:
    phases = [
        row("a", 0, 120 * MB),
        row("a/b\\/c", 0, 120 * MB - 1000),
        row("a/b\\/c/d", 0, 100 * MB),
        row("", 0, 120 * MB),
    ]
    assert summary(*phases).peak_phase == "a/b\\/c"
    assert summary(row("a", 0, 90 * MB)).peak_phase is None


def test_the_largest_process_is_described_and_all_are_counted() -> None:
    other = report(process=process(pid=8, peak_bytes=300 * MB, end_bytes=200 * MB))
    found = find([report(process=process()), other])
    assert found is not None
    assert (found.pid, found.total_bytes) == (8, 300 * MB)


def test_a_session_that_was_not_closed_makes_the_summary_incomplete() -> None:
    assert not summary().incomplete
    assert summary(ended="not closed").incomplete


def test_own_changes_add_up_to_the_outermost_phases() -> None:
    phases = [row("a", 50), row("a/b", 30), row("a/b/c", 10), row("d", 5), row("d/e", 9)]
    own = dict(own_changes(phase_tree(phases)))
    assert own == {"a": 20, "a/b": 20, "a/b/c": 10, "d": 5}  # d/e gave back what it grew by
    assert sum(own.values()) == 55


def test_a_phase_whose_parent_has_no_row_moves_up() -> None:
    tree = phase_tree([row("a", 1), row("a/b/c", 1), row("x/y", 1)])
    assert tree.children == {(): [("a",), ("x", "y")], ("a",): [("a", "b", "c")]}
