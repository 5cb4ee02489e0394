"""What a page shows beyond the JSON report adds up to what the report says."""

from __future__ import annotations

import inspect
import io
import optparse
import os
import textwrap
import tokenize
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import pytest

import fwmemtrace
from fwmemtrace import phase, results
from fwmemtrace.analysis.calls import CallsFold
from fwmemtrace.records import PhaseBegin, PhaseEnd
from fwmemtrace.reports.share import shareable_details
from fwmemtrace.trace.sources import open_quotes, source_files


def by_phase(tree: results.StackTree, metric: str) -> dict[str, int]:
    sums: defaultdict[str, int] = defaultdict(int)
    phase_of, number = [], -1
    for depth in tree.depth:
        number += depth == 0
        phase_of.append(number)
    for row, value in zip(tree.rows, tree.values[tree.metrics.index(metric)], strict=True):
        sums[tree.paths[phase_of[row]]] += value
    return sums


@pytest.mark.slow
def test_stacks_add_up_to_the_rows_of_their_phases(trace: fwmemtrace.Trace) -> None:
    report = trace.summary()
    tree = trace.details(report).processes[0].native
    assert tree is not None
    figures = {metric: by_phase(tree, metric) for metric in tree.metrics}
    for row in report.phases:
        assert row.native is not None
        assert figures["live"][row.path] == row.native.live_bytes
        assert figures["allocated"][row.path] == row.native.allocated_bytes
        assert figures["allocations"][row.path] == row.native.allocations
        assert figures["at peak"][row.path] in (row.native.peak_bytes, 0)


@pytest.mark.slow
def test_one_reading_of_the_capture_serves_report_and_page(trace: fwmemtrace.Trace) -> None:
    """The page's own stacks too are those of a reading of their own: neither reading changes the other's names."""
    path, readings = trace.files[0].path, 0

    def progress(done: int, total: int) -> None:
        nonlocal readings
        readings += done == total

    apart, together = fwmemtrace.read(path), fwmemtrace.read(path)
    expected = apart.summary()
    assert together.summary(details=True, progress=progress) == expected
    details = together.details(expected, progress=progress)
    assert readings == 1
    assert details == apart.details(expected)
    assert details.processes[0].native is not None
    assert together.details(expected, progress=progress) == details  # reads again: it was not kept
    assert readings == 2


@pytest.mark.slow
def test_calls_and_readings_add_up(trace: fwmemtrace.Trace) -> None:
    report = trace.summary()
    (process,) = trace.details(report).processes
    calls = process.calls
    changes: defaultdict[str, int] = defaultdict(int)
    for path, before, after in zip(calls.path, calls.before_bytes, calls.after_bytes, strict=True):
        changes[process.paths[path]] += after - before
    rows = {row.path: row for row in report.phases if row.path and row.resident}
    assert changes == {path: row.resident.delta_bytes for path, row in rows.items() if row.resident}
    assert list(calls.error.values()) == ["ValueError"]
    assert set(calls.thread) == {0, 1}
    readings = process.readings
    assert readings is not None
    largest = next(one for one in report.composition or [] if one.moment == "largest")
    sums = [sum(column[at] for column in readings.categories.values()) for at in range(len(readings.at_ns))]
    totals = [known + rest for known, rest in zip(sums, readings.unexplained_bytes, strict=True)]
    assert max(totals) == largest.rss_bytes
    levels = {(one.path, one.metric): one for one in process.levels}
    assert len(levels["request", "rss"].values) == 60


def test_what_is_shared_has_no_source_and_no_absolute_path(tmp_path: Path) -> None:
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(path, interval=0), phase("load /home/somebody/data.csv"):
        pass
    trace = fwmemtrace.read(path)
    report = trace.summary()
    details = trace.details(report)
    details.sources = [
        results.SourceFile(file="/home/somebody/x.py", changed=False, first=[1], text=["secret"], inside=[""])
    ]
    shared = shareable_details(report, details)
    assert shared.sources == []
    assert shared.processes[0].paths == ["load data.csv"]
    assert details.processes[0].paths != shared.processes[0].paths


@pytest.mark.parametrize("module", [textwrap, optparse])
def test_the_string_that_a_line_begins_in_is_what_the_tokenizer_says(module: ModuleType) -> None:
    text = inspect.getsource(module)
    expected = [""] * (text.count("\n") + 2)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        quotes = token.string.lstrip("rbfuRBFU")[:3]
        if token.type == tokenize.STRING and quotes in ('"""', "'''"):
            for line in range(token.start[0] + 1, token.end[0] + 1):
                expected[line] = quotes
    lines = range(1, len(expected))
    assert open_quotes(text, lines) == [expected[line] for line in lines]
    assert len(set(expected)) > 1


def test_quotes_inside_of_strings_and_comments_open_none() -> None:
    text = (
        "'it is'; x = \"a ''' b\"  # no \"\"\" string\n"
        "r'''first \\''' and \"this\"\n# no\n''' 'x\n"
        'y\n"""never\nclosed'
    )
    assert open_quotes(text, range(1, 8)) == ["", "", "'''", "'''", "", "", '"""']


def test_the_longest_calls_are_kept_and_those_that_are_open() -> None:
    fold = CallsFold(most=2)
    for span, length in enumerate([5, 50, 7, 40], 1):
        begin = PhaseBegin(span=span, parent=0, name="x", thread_id=9, time_ns=100 * span, rss_bytes=1000)
        fold.add(begin, ("x",))
        end = PhaseEnd(span=span, time_ns=100 * span + length, rss_bytes=1500, peak_rss_bytes=1600)
        fold.add(end, ("x",))
    fold.add(PhaseBegin(span=9, parent=2, name="y", thread_id=9, time_ns=900, rss_bytes=1700), ("x", "y"))
    paths, calls = fold.result(origin_ns=100)
    assert paths == ["x", "x/y"]
    assert calls.begin_ns == [100, 300, 800]
    assert calls.end_ns == [150, 340, -1]
    assert calls.parent == [-1, -1, 0]
    assert calls.after_bytes[-1] == 1700
    assert calls.left_out == 2


def test_only_python_files_get_into_a_report(tmp_path: Path) -> None:
    """Also from a hostile trace, which may name any file as one with an allocation in it."""
    (tmp_path / "own.py").write_text("one\ntwo\nthree\n")
    (tmp_path / "secret.txt").write_text("secret\n")
    os.mkfifo(tmp_path / "endless.py")
    frames = [results.Frame(function="f", file=str(tmp_path / name), line=1) for name in ("secret.txt", "endless.py")]
    frames += [
        results.Frame(function="f", file=file, line=2) for file in ("own.py", "../../etc/passwd", "\0.py", "gone.py")
    ]
    trace = results.TraceInfo(complete=True, lost_records=0, damaged_bytes=0, notes=[], processes=[])
    rise = results.Rise(path="", bytes=1, looks=1, line=None, package="", stack=frames)
    rises = results.Rises(
        pid=1, rss_delta_bytes=1, imported_bytes=0, risen_bytes=1, fallen_bytes=0, unattributed_bytes=0, stacks=[rise]
    )
    found = source_files(results.TraceReport(trace=trace, phases=[], rises=[rises]), [], tmp_path)
    assert [(one.file, one.first, one.text) for one in found] == [("own.py", [1], ["one\ntwo\nthree"])]


def test_snapshots_are_marks_where_they_were_taken(tmp_path: Path) -> None:
    with fwmemtrace.session(tmp_path / "trace.bin", interval=0) as session, fwmemtrace.phase("request"):
        session.snapshot("90% of the limit")
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    (process,) = trace.details(trace.summary()).processes
    (mark,) = [mark for mark in process.marks if mark.kind == "snapshot"]
    (begin, end) = process.calls.begin_ns[0], process.calls.end_ns[0]
    assert begin <= mark.at_ns <= end
    assert mark.text.startswith("90% of the limit, ")
    assert "test_details.py:" in mark.text
    assert "/" not in mark.text
