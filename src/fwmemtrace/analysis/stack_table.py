"""All stacks of one process with what was measured of each, for flame graphs and the formats of other tools."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from .. import results
from ..paths import PhasePath, nearest

Stack: TypeAlias = tuple[results.Frame, ...]  # innermost first
Place: TypeAlias = tuple[PhasePath, "StackKey"]

_RESOLVED = 20_000  # native stacks; naming the frames of one takes up to 0.1 ms
SMALL_STACKS = "[small stacks]"


class StackKey(NamedTuple):
    """A stack that can be a key: function, file, line and library of each frame, innermost first."""

    frames: tuple[tuple[str, str, int, str | None], ...]


class Metric(NamedTuple):
    """Something that was measured of stacks.

    Attributes:
        name: such as "inuse_space".
        title: the same for people.
        unit: "bytes" or "count".
        is_bound: whether it is a bound of a confidence interval, and so does not add up over stacks.
    """

    name: str
    title: str
    unit: str
    is_bound: bool = False


NATIVE = (
    Metric("alloc_objects", "native allocations", "count"),
    Metric("alloc_space", "native allocated", "bytes"),
    Metric("inuse_objects", "native live allocations", "count"),
    Metric("inuse_space", "native live", "bytes"),
    Metric("peak_space", "native live at the phase's peak", "bytes"),
    Metric("file_space", "native file-backed", "bytes"),
)
SAMPLED = (
    Metric("sampled_inuse_space", "sampled live", "bytes"),
    Metric("sampled_inuse_low_space", "sampled live, lower bound", "bytes", is_bound=True),
    Metric("sampled_inuse_high_space", "sampled live, upper bound", "bytes", is_bound=True),
    Metric("sampled_alloc_space", "sampled allocated", "bytes"),
    Metric("sampled_peak_space", "sampled live at the phase's peak", "bytes"),
)
RISES = (
    Metric("rss_rises", "RSS rises", "bytes"),
    Metric("rss_at_peak", "RSS rises still there at the peak", "bytes"),
)
PYTHON_HEAP = (Metric("python_heap_growth", "Python heap growth", "bytes"),)
# What to show where a format or a view has room for one: the first that was measured.
PREFERRED = ("inuse_space", "sampled_inuse_space", "rss_rises", "python_heap_growth")


class NativeSample(Protocol):
    """What one native stack allocated in one phase; see `capture.samples.StackSample`."""

    @property
    def phase(self) -> PhasePath: ...
    @property
    def allocations(self) -> int: ...
    @property
    def allocated_bytes(self) -> int: ...
    @property
    def live_allocations(self) -> int: ...
    @property
    def live_bytes(self) -> int: ...
    @property
    def at_peak_bytes(self) -> int | None: ...
    @property
    def file_backed_bytes(self) -> int: ...
    @property
    def stack(self) -> Stack: ...


@dataclass
class StackTable:
    """Stacks of one process.

    Attributes:
        pid: the process id.
        metrics: what was measured.
        rows: a value for each metric, by the path of the phase and the stack.
    """

    pid: int
    metrics: list[Metric] = field(default_factory=list)
    rows: dict[Place, list[int]] = field(default_factory=dict)

    def values_of(self, name: str) -> Iterable[tuple[PhasePath, StackKey, int]]:
        """Yield the stacks with more than 0 of a metric, with their values."""
        at = [metric.name for metric in self.metrics].index(name)
        for (path, stack), values in self.rows.items():
            if values[at] > 0:
                yield path, stack, values[at]

    def sums(self) -> list[Metric]:
        """Return the metrics that add up over stacks."""
        return [metric for metric in self.metrics if not metric.is_bound]

    def preferred(self) -> str | None:
        """Return the name of the metric to show first; None if nothing was measured."""
        measured = {metric.name for metric in self.metrics}
        return next((name for name in PREFERRED if name in measured), None)


def stack_table(
    report: results.TraceReport,
    pid: int,
    samples: Iterable[NativeSample] | None,
    sampled: Iterable[tuple[PhasePath, results.HeapStackSample]] | None = None,
) -> StackTable:
    """Return all stacks of a process.

    Args:
        report: the results of the process.
        pid: its id.
        samples: its native stacks; None without the probe `native`.
        sampled: the stacks of its sampled heap, with their phases; None without the probe `heap`.
    """
    table = StackTable(pid)
    if samples is not None:
        _add_native(table, samples)
    if sampled is not None:
        _add(table, SAMPLED, ((path, site.stack, _sampled_figures(site)) for path, site in sampled))
    rises = next((row for row in report.rises or [] if row.pid == pid), None)
    if rises is not None:
        _add(table, RISES, ((rise.names, rise.stack, (rise.bytes, rise.at_peak_bytes)) for rise in rises.stacks))
    phases = [row for row in report.phases if row.pid == pid and row.python_heap is not None]
    if phases:
        _add(table, PYTHON_HEAP, _heap_lines(phases))
    return table


def _sampled_figures(site: results.HeapStackSample) -> tuple[int, ...]:
    return site.live_bytes, site.live_low_bytes, site.live_high_bytes, site.allocated_bytes, site.at_peak_bytes


def _add_native(table: StackTable, samples: Iterable[NativeSample]) -> None:
    everything = list(samples)
    chosen = {
        id(sample)
        for size in (lambda sample: sample.live_bytes, lambda sample: sample.allocated_bytes)
        for sample in heapq.nlargest(_RESOLVED // 2, everything, key=size)
    }
    small = [results.Frame(function=SMALL_STACKS, file="", line=0)]
    _add(
        table,
        NATIVE,
        (
            (
                sample.phase,
                sample.stack if id(sample) in chosen else small,
                (
                    sample.allocations,
                    sample.allocated_bytes,
                    sample.live_allocations,
                    sample.live_bytes,
                    sample.at_peak_bytes or 0,
                    sample.file_backed_bytes,
                ),
            )
            for sample in everything
        ),
    )


def _add(
    table: StackTable,
    metrics: Sequence[Metric],
    stacks: Iterable[tuple[PhasePath, Sequence[results.Frame], Sequence[int]]],
) -> None:
    start = len(table.metrics)
    table.metrics += metrics
    for values in table.rows.values():
        values += [0] * len(metrics)
    for path, stack, sizes in stacks:
        key = StackKey(tuple((frame.function, frame.file, frame.line, frame.library) for frame in stack))
        values = table.rows.setdefault((path, key), [0] * len(table.metrics))
        for at, size in enumerate(sizes, start):
            values[at] += size


def _heap_lines(
    phases: Sequence[results.PhaseRow],
) -> Iterable[tuple[PhasePath, list[results.Frame], tuple[int]]]:
    """Yield the growth by line, without what phases inside a phase added, which is in its own figures too."""
    paths = {row.names for row in phases}
    own: dict[tuple[PhasePath, str, int], int] = {}
    for row in phases:
        around = nearest(row.names, paths)
        for line in row.python_heap.top if row.python_heap is not None else []:
            for path, size in ((row.names, line.delta_bytes), (around, -line.delta_bytes)):
                if path or not row.path:
                    key = path, line.file, line.line
                    own[key] = own.get(key, 0) + size
    for (path, file, number), size in own.items():
        if size > 0:
            yield path, [results.Frame(function="", file=file, line=number)], (size,)
