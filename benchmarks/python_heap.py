"""Top N of a million live tracemalloc traces against the standard library's snapshots: by line, and what changed."""

from __future__ import annotations

import _tracemalloc
import tracemalloc
from collections.abc import Callable
from heapq import nlargest
from time import process_time_ns
from typing import Any

from benchmarks.harness import Pair, Row, in_turns
from fwmemtrace.probes.python_heap import fold as heap_fold
from fwmemtrace.probes.python_heap import rows as heap_rows

_FILES, _FUNCTIONS, _BLOCKS = 20, 500, 10
_TOP = 20
_ROUNDS = 3
_FASTER = 0.2


def run() -> list[Row]:
    """Measure with the frame that is kept by default, and with five."""
    return [row for frames in (1, 5) for row in _with_frames(frames)]


def _with_frames(frames: int) -> list[Row]:
    functions = _program()
    tracemalloc.start(frames)
    kept = [function() for function in functions]
    try:
        count = len(_tracemalloc._get_traces())
        title = f"{count:,} traces, {frames} frame{'s' if frames > 1 else ''}"
        top = in_turns(_timed(_our_top), _timed(_their_top), _ROUNDS)
        both = in_turns(_our_difference(kept, functions), _their_difference(kept, functions), _ROUNDS)
        compared = _comparison(kept, functions)
        wrong = _disagreement()
    finally:
        tracemalloc.stop()
    return [
        Row(f"top N by line of {title} / snapshot and statistics", *top, target=_FASTER, unit="ns"),
        Row(f"what changed between two of {title} / compare_to", *compared, target=_FASTER, unit="ns"),
        Row(f"taking both and what changed, {title} / the same", *both, target=_FASTER, unit="ns"),
        Row(f"rows that differ, {title}", wrong, 0, wrong, 0, "rows", kind="at most"),
    ]


def _program() -> list[Callable[[], Any]]:
    """Functions of many files that each keep small objects: texts, numbers, lists and dicts, as programs do."""
    body = "return [(str(n + 1000), {{'score': n / 7, 'tags': [n + 1000, n / 3]}}, bytes(n)) for n in range({blocks})]"
    code = "\n".join(f"def f{n}():\n    " + body.format(blocks=_BLOCKS) for n in range(_FUNCTIONS))
    functions = []
    for number in range(_FILES):
        names: dict[str, Any] = {}
        exec(compile(code, f"/program/module{number}.py", "exec"), names)
        functions += [names[f"f{n}"] for n in range(_FUNCTIONS)]
    return functions


def _timed(function: Callable[[], Any]) -> Callable[[], float]:
    def measure() -> float:
        began = process_time_ns()
        function()  # what it returns is freed within: giving a snapshot back takes its time, too
        return process_time_ns() - began

    return measure


def _our_top() -> list[Any]:
    lines = heap_rows.group(heap_fold.fold_heap(), heap_rows.line_of)
    return nlargest(_TOP, lines.items(), key=lambda line: line[1])


def _their_top() -> list[Any]:
    return tracemalloc.take_snapshot().statistics("lineno")[:_TOP]


def _our_difference(kept: list[Any], functions: list[Callable[[], Any]]) -> Callable[[], float]:
    def difference() -> Any:
        before = heap_rows.group(heap_fold.fold_heap(), heap_rows.line_of)
        _change(kept, functions)
        after = heap_rows.group(heap_fold.fold_heap(), heap_rows.line_of)
        return heap_rows.top_by_growth(heap_rows.changes(before, after), _TOP)

    return _timed(difference)


def _their_difference(kept: list[Any], functions: list[Callable[[], Any]]) -> Callable[[], float]:
    def difference() -> Any:
        before = tracemalloc.take_snapshot()
        _change(kept, functions)
        return tracemalloc.take_snapshot().compare_to(before, "lineno")[:_TOP]

    return _timed(difference)


def _comparison(kept: list[Any], functions: list[Callable[[], Any]]) -> Pair:
    """What changed between two sets of traces that both sides are given."""
    before = tracemalloc.take_snapshot()
    _change(kept, functions)
    after = tracemalloc.take_snapshot()

    def ours() -> Any:
        folds = (heap_fold.fold_traces(_traces_of(snapshot)) for snapshot in (before, after))
        return heap_rows.top_by_growth(heap_rows.changes(*(heap_rows.group(f, heap_rows.line_of) for f in folds)), _TOP)

    return in_turns(_timed(ours), _timed(lambda: after.compare_to(before, "lineno")[:_TOP]), _ROUNDS)


def _traces_of(snapshot: tracemalloc.Snapshot) -> list[Any]:
    """The tuples that a snapshot consists of."""
    traces: list[Any] = vars(snapshot.traces)["_traces"]
    return traces


def _change(kept: list[Any], functions: list[Callable[[], Any]]) -> None:
    del kept[:100]
    kept += [function() for function in functions[:100]]


def _disagreement() -> int:
    """How many lines have other figures than in the standard library, of one and the same set of traces."""
    snapshot = tracemalloc.take_snapshot()
    ours = heap_rows.group(heap_fold.fold_traces(_traces_of(snapshot)), heap_rows.line_of)
    theirs = {
        (s.traceback[0].filename, s.traceback[0].lineno): (s.size, s.count) for s in snapshot.statistics("lineno")
    }
    return sum(ours.get(line) != theirs.get(line) for line in {*ours, *theirs})
