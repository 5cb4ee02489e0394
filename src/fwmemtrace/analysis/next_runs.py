"""Chooses which probes to run next, from what RSS consists of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .. import results
from .memory_kinds import added_memory
from .program_command import with_probe
from .rss_breakdown import LARGE_BLOCKS, NATIVE_HEAP, PYTHON_HEAP, UNEXPLAINED

_ARRAYS = {"torch", "numpy"}  # packages whose large blocks the probe `tensors` names
_MIN_SHARE, _MIN_BYTES = 0.1, 10_000_000  # of the peak, and in all: less is not worth another run
# A fall of this share of the peak that takes back what as many calls have left behind is the work of the collector:
# what reference counts free goes at the end of the call that made it.
_FALL_SHARE, _FALL_CALLS = 0.2, 5

_NATIVE = ("--native-traces",)
GROWTH = "growth"
NATIVE, TENSORS, PYTHON, OBJECTS, COLLECTOR = "native", "tensors", "python_heap", "objects", "collector"


def find_next_runs(
    report: results.TraceReport,
    process: results.Process,
    causes: Sequence[results.Cause],
    untouched: results.Untouched | None = None,
) -> list[results.NextRun]:
    """Returns the probes that would show more of this process than those that were on, the most useful first.

    Args:
        report: of this process alone.
        process: the process.
        causes: what its peak came from.
        untouched: what it allocated and never touched.
    """
    on = {*process.probes, *(name for run in report.runs for name in run.tables)}
    worth = [
        run
        for run in _candidates(report, process, causes, untouched)
        if run.probe not in on and run.bytes >= max(_MIN_SHARE * process.peak_bytes, _MIN_BYTES)
    ]
    best: dict[str, results.NextRun] = {}
    for run in sorted(worth, key=lambda run: (run.category != GROWTH, -run.bytes)):  # a leak before all else
        best.setdefault(run.probe, run)
    return list(best.values())


def _candidates(
    report: results.TraceReport,
    process: results.Process,
    causes: Sequence[results.Cause],
    untouched: results.Untouched | None,
) -> Iterator[results.NextRun]:
    def run(probe: str, category: str, size: float, *options: str) -> results.NextRun:
        command = with_probe(process.command, probe, options)
        return results.NextRun(
            probe=probe, options=list(options), category=category, bytes=round(size), command=command
        )

    if untouched is not None:
        yield run(NATIVE, NATIVE_HEAP, untouched.bytes, *_NATIVE)
    added = added_memory(report)
    large = added.get((NATIVE_HEAP, LARGE_BLOCKS), 0)
    arrays = _has_arrays(report)
    if arrays:
        yield run(TENSORS, NATIVE_HEAP, large)
    native = sum(size for (category, _), size in added.items() if category in (NATIVE_HEAP, UNEXPLAINED))
    yield run(NATIVE, NATIVE_HEAP, native - large if arrays else native, *_NATIVE)
    yield run(PYTHON, PYTHON_HEAP, sum(size for (category, _), size in added.items() if category == PYTHON_HEAP))
    if not added:  # the mappings were not read near the peak
        arrays_bytes = sum(cause.bytes for cause in causes if cause.package in _ARRAYS)
        yield run(TENSORS, NATIVE_HEAP, arrays_bytes)
        yield run(NATIVE, "", sum(cause.bytes for cause in causes if cause.kind == "code") - arrays_bytes, *_NATIVE)
    for trend in report.growth or []:
        if trend.metric == "rss" and trend.verdict == "growing":
            yield run(OBJECTS, GROWTH, trend.slope_bytes_per_call * trend.calls)
    for rises in report.rises or []:
        if rises.largest_fall_calls >= _FALL_CALLS and rises.largest_fall_bytes >= _FALL_SHARE * process.peak_bytes:
            yield run(COLLECTOR, "garbage", rises.largest_fall_bytes)


def _has_arrays(report: results.TraceReport) -> bool:
    imported = {row.package for row in report.import_packages or []}
    mapped = {item.owner for one in report.composition or [] for item in one.items}
    return bool(_ARRAYS & (imported | mapped))
