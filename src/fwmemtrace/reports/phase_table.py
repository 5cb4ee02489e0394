"""The table of phases: which figures it has for what was measured, and its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .. import results
from .blocks import Bytes, Code, Column, Count, Duration, Inline, Sentence, Table
from .tree import drawn

_MOST_ROWS = 40  # of the table of attributes


@dataclass(frozen=True, slots=True)
class _Figure:
    """A figure of a phase.

    Attributes:
        title: the heading of its column.
        of: its value for a phase; None if it was not measured there.
    """

    title: str
    of: Callable[[results.PhaseRow], Inline]


def _resident(phase: results.PhaseRow, of: Callable[[results.Resident], Inline]) -> Inline:
    return None if phase.resident is None else of(phase.resident)


_RSS = _Figure("RSS change", lambda phase: _resident(phase, lambda rss: Bytes(rss.delta_bytes, signed=True)))
_PEAK = _Figure("peak RSS", lambda phase: _resident(phase, lambda rss: Bytes(rss.peak_bytes)))
_NATIVE = [
    _Figure("native live", lambda phase: None if phase.native is None else Bytes(phase.native.live_bytes)),
    _Figure("native peak", lambda phase: None if phase.native is None else Bytes(phase.native.peak_bytes)),
]
_HEAP = _Figure(
    "Python heap",
    lambda phase: None if phase.python_heap is None else Bytes(phase.python_heap.delta_bytes, signed=True),
)
_OBJECTS = _Figure(
    "objects", lambda phase: None if phase.objects is None else Count(phase.objects.delta_count, signed=True)
)
_TENSORS = _Figure("tensors", lambda phase: None if phase.tensors is None else Bytes(phase.tensors.live_bytes))
_CALLS = _Figure("calls", lambda phase: Count(phase.calls) if phase.path else None)
_ERRORS = _Figure("errors", lambda phase: Count(phase.errors) if phase.errors else None)
# A phase without RSS comes from a capture alone, which has no times.
_TIME = _Figure("time", lambda phase: None if phase.resident is None else Duration(phase.wall_ns))


def phase_table(process: results.Process, phases: Sequence[results.PhaseRow]) -> Table:
    """Returns a row for each phase of a process, between what was there before and what there was at the end.

    The RSS changes of the outermost phases and of the rows that are no phase add up to the last row's.
    """
    figures = _figures(phases)
    rows: list[Sequence[Sentence]] = [_row("before the session", figures, rss=process.before_session_bytes)]
    rows += [[name, *(figure.of(phase) for figure in figures)] for phase, name in drawn(phases)]
    outside = next((phase for phase in phases if not phase.path), None)
    if outside is not None:
        rows.append(["outside any phase", *(figure.of(outside) for figure in figures)])
    if process.overlap_bytes:
        rows.append(_row("counted twice by overlapping phases", figures, rss=-process.overlap_bytes))
    end = "at the end" if process.ended == "closed" else "at the last reading"
    rows.append(_row(end, figures, rss=process.end_bytes, peak=process.peak_bytes))
    columns = [Column("phase"), *(Column(figure.title, "right") for figure in figures)]
    return Table("phases", columns, rows)


def attribute_tables(phases: Sequence[results.PhaseRow]) -> list[Table]:
    """Returns a table of the attributes whose values differ between the calls of a phase; none if there are none."""
    rows: list[Sequence[Sentence]] = [
        [Code(phase.path), Code(name), Code(value), Count(calls)]
        for phase in phases
        for name, counts in phase.attribute_calls.items()
        if len(counts) > 1
        for value, calls in sorted(counts.items(), key=lambda item: -item[1])
    ]
    columns = [Column("phase"), Column("attribute"), Column("value"), Column("calls", "right")]
    return [Table("attributes", columns, rows[:_MOST_ROWS], "Calls by attribute")] if rows else []


def _figures(phases: Sequence[results.PhaseRow]) -> list[_Figure]:
    """The figures that were measured."""
    return [
        _RSS,
        _PEAK,
        *(_NATIVE if any(phase.native for phase in phases) else []),
        *([_HEAP] if any(phase.python_heap for phase in phases) else []),
        *([_OBJECTS] if any(phase.objects for phase in phases) else []),
        *([_TENSORS] if any(phase.tensors for phase in phases) else []),
        _CALLS,
        *([_ERRORS] if any(phase.errors for phase in phases) else []),
        *([_TIME] if any(phase.resident for phase in phases) else []),
    ]


def _row(name: str, figures: Sequence[_Figure], *, rss: int, peak: int | None = None) -> list[Sentence]:
    """A row that is no phase."""
    cells = {_RSS.title: Bytes(rss, signed=True), _PEAK.title: None if peak is None else Bytes(peak)}
    return [name, *(cells.get(figure.title) for figure in figures)]
