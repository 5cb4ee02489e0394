"""Reads what a page shows beyond the JSON report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .. import results
from ..analysis.details import DetailsAnalysis
from ..analysis.stack_tree import stack_tree
from ..paths import PhasePath, write
from .capture import Progress
from .heap import heap_stacks
from .process import TracedProcess
from .sources import source_files

SAMPLED_METRICS = ("live", "at peak", "allocated")


def details_of(
    processes: Sequence[TracedProcess],
    further: Sequence[TracedProcess],
    report: results.TraceReport,
    *,
    source: bool = True,
    progress: Progress | None = None,
) -> results.Details:
    """Return the details of a trace.

    Args:
        processes: the processes of the trace.
        further: the first processes of its further runs, whose stacks stand for those of the first one.
        report: its report.
        source: whether to include lines of source code.
        progress: called now and then while a memray capture is read, with the number of records read and of all
            records.
    """
    origin = processes[0].analysis().began_ns or 0 if processes else 0
    made = [
        _process(process, origin, [process, *(further if number == 0 else [])], progress)
        for number, process in enumerate(processes)
    ]
    wanted = source and processes
    sources = source_files(report, made, processes[0].path.parent) if wanted else []
    return results.Details(processes=made, sources=sources)


def _process(
    process: TracedProcess, origin_ns: int, captured: Sequence[TracedProcess], progress: Progress | None
) -> results.ProcessDetails:
    analysis = DetailsAnalysis(process.pid)
    analysis.read(process.records)
    captures = (one.capture_details(progress) for one in captured)
    return analysis.result(origin_ns, next((found for found in captures if found is not None), None), _sampled(process))


def _sampled(process: TracedProcess) -> results.StackTree | None:
    stacks = heap_stacks(process.file, process.session())
    return None if stacks is None else stack_tree(SAMPLED_METRICS, [_SampledStack(*stack) for stack in stacks])


class _SampledStack:
    """A stack of the sampled heap, as a tree of stacks takes it."""

    def __init__(self, phase: PhasePath, site: results.HeapStackSample) -> None:
        self.root = write(phase)
        self.values = site.live_bytes, site.at_peak_bytes, site.allocated_bytes
        self._site = site

    def frames(self) -> Iterable[results.Frame]:
        return self._site.stack
