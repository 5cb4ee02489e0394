"""The sentences of the summary, and the command to run next."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from builders import process_result
from fwmemtrace import results
from fwmemtrace.analysis.summary import check_budget
from fwmemtrace.reports.base import Options
from fwmemtrace.reports.blocks import Prose, plain
from fwmemtrace.reports.html import HtmlReport
from fwmemtrace.reports.markdown import MarkdownReport
from fwmemtrace.reports.summary import summary_section
from fwmemtrace.reports.terminal import TerminalReport

MB = 10**6
BLOCKS = {"category": "native heap", "owner": "malloc, large blocks"}


def process(**changes: Any) -> results.Process:
    return process_result(
        **{"before_session_bytes": 20 * MB, "end_bytes": 3460 * MB, "peak_bytes": 3480 * MB, **changes}
    )


def code(function: str, size: int, **changes: Any) -> results.Cause:
    fields: dict[str, Any] = {
        "kind": "code",
        "path": "main",
        "bytes": size,
        "share": size / (3480 * MB),
        "location": results.Frame(function=function, file="semantic_guard.py", line=88),
        "kept_bytes": size,
    }
    return results.Cause(**{**fields, **changes})


def report(
    *causes: results.Cause, budget: int | None = None, traced: results.Process | None = None, **changes: Any
) -> results.TraceReport:
    traced = traced or process()
    fields: dict[str, Any] = {
        "pid": 7,
        "peak_bytes": traced.peak_bytes,
        "peak_phase": "main",
        "end_bytes": traced.end_bytes,
        "incomplete": traced.ended != "closed",
        "causes": list(causes),
        "evictable_bytes": None,
        "untouched": None,
        "next_runs": [],
        "total_bytes": traced.end_bytes,
    }
    info = results.TraceInfo(complete=True, lost_records=0, damaged_bytes=0, notes=[], processes=[traced])
    return results.TraceReport(
        trace=info,
        phases=[],
        summary=results.Summary(**{**fields, **changes}),
        budget=None if budget is None else check_budget([traced], budget),
    )


def paragraph(made: results.TraceReport, name: str = "findings") -> list[str]:
    (block,) = [block for block in summary_section(made).blocks if isinstance(block, Prose) and block.id == name]
    return [plain(sentence) for sentence in block.sentences]


def test_the_cause_has_its_memory_its_code_its_library_and_whether_it_stayed() -> None:
    made = report(code("encode_concepts", 3340 * MB, package="onnxruntime", **BLOCKS))
    assert paragraph(made) == [
        "3.34 GB of the 3.48 GB are large native blocks that encode_concepts (semantic_guard.py:88) made through "
        "onnxruntime at once; they stayed."
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "100.0 MB of the 3.48 GB came while f (semantic_guard.py:88) ran at once; it stayed."),
        (
            {**BLOCKS, "kept_bytes": 0, "duration_ns": 4_000_000_000},
            "100.0 MB of the 3.48 GB are large native blocks that f (semantic_guard.py:88) made over 4.0 s; they were "
            "freed later.",
        ),
        (
            {"path": "request", "calls": 1, "kept_bytes": 40 * MB},
            "100.0 MB of the 3.48 GB came while f (semantic_guard.py:88) ran in one call of request; 40.0 MB of that "
            "stayed.",
        ),
        (
            {
                "path": "request",
                "calls": 60,
                "bytes_per_call": 1.5 * MB,
                "category": "python heap",
                "owner": "objects in arenas",
            },
            "100.0 MB of the 3.48 GB are Python objects that f (semantic_guard.py:88) made in 60 calls of request, "
            "1.5 MB more with each call; they stayed.",
        ),
        (
            {"location": results.Frame(function="main", file="app.py", line=3)},
            "100.0 MB of the 3.48 GB came while app.py:3 ran at once; it stayed.",
        ),
        (
            {"location": None, "package": "numpy"},
            "100.0 MB of the 3.48 GB came while numpy ran at once; it stayed.",
        ),
        (
            {"kept_bytes": 40 * MB, "kept_category": "allocator free", "kept_owner": "Arrow's mimalloc"},
            "100.0 MB of the 3.48 GB came while f (semantic_guard.py:88) ran at once; 40.0 MB of that stayed as free "
            "memory that is kept by Arrow's mimalloc.",
        ),
        (
            {
                **BLOCKS,
                "parts": [
                    results.CausePart(location=results.Frame(function=name, file="a.py", line=1), bytes=size * MB)
                    for name, size in (("a", 40), ("b", 30), ("c", 20), ("d", 5))
                ],
            },
            "100.0 MB of the 3.48 GB are large native blocks that f (semantic_guard.py:88) made at once: 40.0 MB in a "
            "(a.py:1), 30.0 MB in b (a.py:1), 20.0 MB in c (a.py:1) and 1 more; they stayed.",
        ),
        (
            {
                "parts": [
                    results.CausePart(
                        location=results.Frame(function="f", file="semantic_guard.py", line=line), bytes=size
                    )
                    for line, size in ((88, 60 * MB), (89, 40 * MB))
                ],
            },
            "100.0 MB of the 3.48 GB came while f (semantic_guard.py:88) ran at once: 60.0 MB at semantic_guard.py:88 "
            "and 40.0 MB at semantic_guard.py:89; it stayed.",
        ),
        (
            {"category": "shared memory", "threads": 12},
            "100.0 MB of the 3.48 GB are shared memory that f (semantic_guard.py:88) made at once in 12 threads that "
            "have not ended; they stayed.",
        ),
        (
            {"tensors": "BertModel", **BLOCKS},
            "100.0 MB of the 3.48 GB are tensors of BertModel that f (semantic_guard.py:88) made at once; they stayed.",
        ),
    ],
)
def test_causes_in_code(changes: dict[str, Any], sentence: str) -> None:
    assert paragraph(report(code("f", 100 * MB, **changes))) == [sentence]


def test_what_holds_a_growing_phase_is_named() -> None:
    chain = [
        results.HolderStep(type="builtins.module", link="", name="app"),
        results.HolderStep(type="builtins.dict", link=".CACHE"),
    ]
    holder = results.Holder(type="Item", count=1, delta_count=1, path="r", root="module", chain=chain)
    (sentence,) = paragraph(report(code("f", 100 * MB, held_by=holder)))
    assert ", held by app.CACHE;" in sentence


def imports(*lines: tuple[int, dict[str, int]], path: str = "main") -> results.Cause:
    rows = [
        results.ImportedPackages(
            nearest_own=results.OwnImport(file="guard.py", line=line, module="sentence_transformers"),
            bytes=sum(packages.values()),
            packages=packages,
        )
        for line, packages in lines
    ]
    return results.Cause(kind="imports", path=path, bytes=sum(row.bytes for row in rows), share=0.5, imports=rows)


def test_imports_of_one_line_are_one_sum_with_that_line() -> None:
    packages = {"torch": 223 * MB, "scipy": 58 * MB, "sympy": 30 * MB, "six": MB}
    assert paragraph(report(imports((109, packages), path="first request"))) == [
        "312.0 MB of the 3.48 GB are imports of sentence_transformers in first request (guard.py:109): torch 223.0 MB, "
        "scipy 58.0 MB, sympy 30.0 MB and 1 more."
    ]


def test_imports_of_several_lines_name_each_line() -> None:
    made = report(imports((5, {"torch": 200 * MB}), (6, {"scipy": 90 * MB, "sklearn": 60 * MB}), (9, {"six": 40 * MB})))
    assert paragraph(made) == [
        "390.0 MB of the 3.48 GB are imports: 200.0 MB of sentence_transformers (guard.py:5: torch 200.0 MB), 150.0 MB "
        "of sentence_transformers (guard.py:6: scipy 90.0 MB, sklearn 60.0 MB) and 40.0 MB of sentence_transformers "
        "(guard.py:9: six 40.0 MB)."
    ]


def test_the_next_cause_is_told_unless_it_is_small_or_the_interpreter() -> None:
    interpreter = results.Cause(kind="before session", path="", bytes=900 * MB, share=0.3)
    made = report(code("f", 2000 * MB), interpreter, code("g", 500 * MB, **BLOCKS))
    assert paragraph(made)[1:] == [
        "Another 500.0 MB are large native blocks that g (semantic_guard.py:88) made at once; they stayed."
    ]
    assert len(paragraph(report(code("f", 2000 * MB), interpreter, code("g", 100 * MB)))) == 1


def test_what_came_after_the_peak_is_told_of_the_end() -> None:
    made = report(code("spike", 3000 * MB, kept_bytes=0), code("keep", 0, kept_bytes=2000 * MB, **BLOCKS))
    assert paragraph(made)[1] == (
        "At the end, 2.00 GB of the 3.46 GB are large native blocks that keep (semantic_guard.py:88) made at once."
    )


def test_an_incomplete_report_says_so_first() -> None:
    killed = process(ended="not closed", last_phase="init/load")
    sentences = paragraph(report(code("f", 2000 * MB), traced=killed))
    assert sentences == [
        "The session of process 7 was not closed: its records end in init/load.",
        "2.00 GB of the 3.48 GB came while f (semantic_guard.py:88) ran at once.",  # nothing says that it stayed
    ]
    partial = report(code("f", 2000 * MB), incomplete=True)
    partial.trace.interrupted = True
    assert paragraph(partial)[0].startswith("This report is partial: ")


def test_an_exceeded_budget_comes_first_with_what_would_have_to_go() -> None:
    causes = code("f", 2000 * MB), code("g", 1000 * MB)
    assert paragraph(report(*causes, budget=3000 * MB))[:2] == [
        "The peak of 3.48 GB exceeds the budget of 3.00 GB by 480.0 MB.",
        "It would be kept without what f (semantic_guard.py:88) allocated (2.00 GB).",
    ]
    assert paragraph(report(*causes, budget=1000 * MB))[1] == (
        "It would be kept without what f (semantic_guard.py:88) allocated (2.00 GB) and what g (semantic_guard.py:88) "
        "allocated (1.00 GB)."
    )
    assert paragraph(report(*causes, budget=100 * MB))[1].startswith("2.00 GB of the")  # not even both would do
    assert paragraph(report(*causes, budget=4000 * MB))[-1].startswith("The peak of 3.48 GB is within the budget")


def test_a_limit_may_have_killed_a_process_whose_session_was_not_closed() -> None:
    group = results.Cgroup(current_bytes=90 * MB, peak_bytes=None, limit_bytes=100 * MB)
    killed = " ".join(paragraph(report(traced=process(ended="not closed", cgroup=group)), "figures"))
    assert "Its control group has a limit of 100.0 MB and used at most 90.0 MB when it was read." in killed
    assert "control group" not in " ".join(paragraph(report(traced=process(cgroup=group)), "figures"))


def test_memory_that_costs_less_than_it_seems_is_told_apart() -> None:
    caller = results.Frame(function="work", file="app.py", line=5)
    untouched = results.Untouched(bytes=2390 * MB, live_bytes=5920 * MB, location=caller)
    assert paragraph(report(evictable_bytes=1618 * MB, untouched=untouched), "figures")[1:] == [
        "Of that, 1.62 GB are file pages that the kernel can evict.",
        "At least 2.39 GB of 5.92 GB live native memory were allocated by work (app.py:5) and never touched, or were "
        "swapped out: they are not in RSS.",
    ]


def test_memory_that_was_never_touched_comes_first_if_it_exceeds_the_peak() -> None:
    made = report(code("f", 100 * MB), untouched=results.Untouched(bytes=5000 * MB))
    assert paragraph(made)[0] == (
        "At least 5.00 GB were allocated and never touched, or were swapped out: they are not in RSS."
    )
    assert len(paragraph(made, "figures")) == 1


def test_memory_that_is_reserved_in_mappings_is_called_so() -> None:
    made = report(code("f", 100 * MB), untouched=results.Untouched(bytes=5000 * MB, reserved_bytes=4000 * MB))
    assert paragraph(made)[0] == (
        "5.00 GB are reserved in mappings that this process has not touched, or has given back: they are not in RSS."
    )


def test_memory_of_no_known_allocator_is_told_with_who_made_it() -> None:
    made = code("f", 100 * MB, category="unexplained", package="polars", kept_bytes=100 * MB)
    assert paragraph(report(made))[0] == (
        "100.0 MB of the 3.48 GB are anonymous mappings, not malloc's, that f (semantic_guard.py:88) made through "
        "polars at once; they stayed."
    )


def test_pages_that_forked_processes_copied_come_first_if_they_are_most() -> None:
    frame = results.Frame(function="work", file="app.py", line=5)
    many = results.CopiedPages(processes=2, bytes=210 * MB, location=frame)
    assert paragraph(report(code("f", 100 * MB), copied=many))[0] == (
        "2 forked processes copied 210.0 MB of the pages shared with the parent while work (app.py:5) ran."
    )
    few = results.CopiedPages(processes=1, bytes=50 * MB)
    assert paragraph(report(code("f", 100 * MB), copied=few))[1] == (
        "1 forked process copied 50.0 MB of the pages shared with the parent."
    )


COMMAND = ["/usr/bin/python3", "-m", "fwmemtrace", "run", "--report", "--probes", "native", "my app.py", "<x>", "a\\b"]


def next_run(**changes: Any) -> results.TraceReport:
    run = results.NextRun(probe="native", options=[], category="native heap", bytes=MB, command=COMMAND)
    for name, value in changes.items():
        setattr(run, name, value)
    return report(next_runs=[run])


@pytest.mark.parametrize("width", [40, 100])
def test_the_command_to_run_next_can_be_pasted_from_the_end_of_the_text(width: int) -> None:
    text = TerminalReport().render(next_run(), Options(width=width))
    shown = text.rpartition("allocates:\n")[2]
    assert shlex.split(shown.replace("\\\n", "")) == COMMAND
    assert max(map(len, text.splitlines())) <= width


def test_the_command_to_run_next_is_in_every_format() -> None:
    markdown = MarkdownReport().render(next_run(), Options())
    assert shlex.split(markdown.rpartition("\n\n")[2]) == COMMAND
    page = HtmlReport().render(next_run(), Options())
    assert "<pre>/usr/bin/python3 -m fwmemtrace run --report --probes native &#x27;my app.py&#x27;" in page


def test_a_session_of_the_program_s_own_is_told_which_probe_to_add() -> None:
    assert "add the probe native to the session." in TerminalReport().render(next_run(command=[]), Options())
    assert "Next step" not in TerminalReport().render(report(), Options())


def test_workers_that_their_parent_terminated_do_not_come_first() -> None:
    made = report(code("f", 100 * MB), incomplete=True)
    made.trace.processes.append(process(pid=8, ended="not closed"))
    assert paragraph(made)[0].startswith("100.0 MB of the 3.48 GB")
    assert paragraph(made, "figures")[-1] == (
        "Worker process 8 ended without closing its session, as when a pool terminates its workers; no record was lost."
    )
