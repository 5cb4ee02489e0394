"""The stacks of a trace, rooted at their phases and ready to be shown: for every format of flame graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..analysis.stack_table import Metric, StackKey, StackTable
from ..errors import FwmemtraceError, SettingsError, unknown_name
from ..paths import PhasePath
from ..reports.visible import visible
from .base import TraceLike

NO_PHASE = "outside any phase"


class ShownFrame(NamedTuple):
    """A frame as other tools show it: its name and file have no control characters."""

    name: str
    file: str
    line: int


def tables_of(trace: TraceLike) -> list[StackTable]:
    """Return the stacks of each process that has any.

    Raises:
        FwmemtraceError: if no process has a stack.
    """
    tables = [process.stacks() for process in trace.processes]
    found = [table for table in tables if table.rows]
    if not found:
        raise FwmemtraceError(
            "the trace has no stacks; trace with the probe native, heap or python_heap, or with a timeline (interval)"
        )
    return found


def chosen_metric(tables: Sequence[StackTable], name: str | None) -> Metric:
    """Return a metric by its name, or the one to show first.

    Raises:
        SettingsError: if none of the tables has it.
    """
    metrics = {metric.name: metric for table in tables for metric in table.sums()}
    if name is None:
        name = next(filter(None, (table.preferred() for table in tables)))
    if name not in metrics:
        raise SettingsError(unknown_name("metric", name, list(metrics), "this trace"))
    return metrics[name]


def shown_frames(path: PhasePath, stack: StackKey) -> list[ShownFrame]:
    """Return the frames of a stack, outermost first, below those that stand for its phases."""
    phases = [ShownFrame(visible(name), "", 0) for name in path or (NO_PHASE,)]
    return [*phases, *(shown_frame(*frame) for frame in reversed(stack.frames))]


def shown_frame(function: str, file: str, line: int, library: str | None) -> ShownFrame:
    """Return one frame of a stack."""
    name = function or (f"{file.rpartition('/')[2]}:{line}" if file else "[unknown]")
    return ShownFrame(visible(f"{name} ({library})" if library else name), visible(file), line)
