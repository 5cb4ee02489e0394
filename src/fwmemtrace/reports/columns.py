"""The table of phases: which columns there are for what was measured, and the text of each cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .. import results
from ..units import format_bytes, format_count, format_duration
from .tree import lines


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table.

    Attributes:
        title: its head.
        cell: the text for a phase; "" where there is no figure.
    """

    title: str
    cell: Callable[[results.PhaseRow], str]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table."""

    guide: str
    name: str
    cells: list[str]
    is_phase: bool = True
    is_total: bool = False


def _resident(figure: Callable[[results.Resident], str]) -> Callable[[results.PhaseRow], str]:
    return lambda phase: "" if phase.resident is None else figure(phase.resident)


_RSS = [
    Column("RSS change", _resident(lambda rss: format_bytes(rss.delta_bytes, signed=True))),
    Column("peak RSS", _resident(lambda rss: format_bytes(rss.peak_bytes))),
]
_NATIVE = [
    Column("native live", lambda phase: "" if phase.native is None else format_bytes(phase.native.live_bytes)),
    Column("native peak", lambda phase: "" if phase.native is None else format_bytes(phase.native.peak_bytes)),
]
_HEAP = Column(
    "Python heap",
    lambda phase: "" if phase.python_heap is None else format_bytes(phase.python_heap.delta_bytes, signed=True),
)
_OBJECTS = Column(
    "objects", lambda phase: "" if phase.objects is None else format_count(phase.objects.delta_count, signed=True)
)
_TENSORS = Column("tensors", lambda phase: "" if phase.tensors is None else format_bytes(phase.tensors.live_bytes))
_ERRORS = Column("errors", lambda phase: format_count(phase.errors) if phase.errors else "")
_CALLS = Column("calls", lambda phase: format_count(phase.calls))
_TIME = Column("time", lambda phase: format_duration(phase.wall_ns))


def for_phases(phases: Sequence[results.PhaseRow]) -> list[Column]:
    """The columns that have something to show."""
    return [
        *_RSS,
        *(_NATIVE if any(phase.native for phase in phases) else []),
        *([_HEAP] if any(phase.python_heap for phase in phases) else []),
        *([_OBJECTS] if any(phase.objects for phase in phases) else []),
        *([_TENSORS] if any(phase.tensors for phase in phases) else []),
        _CALLS,
        *([_ERRORS] if any(phase.errors for phase in phases) else []),
        _TIME,
    ]


def rows(process: results.Process, phases: Sequence[results.PhaseRow], shown: Sequence[Column]) -> list[Row]:
    """A row a phase as a tree, between what was there before and what there was at the end.

    The RSS changes of the outermost phases and of the rows that are no phase add up to the last row's.
    """
    made = [_line("before the session", process.before_session_bytes, shown)]
    made += [Row(line.guide, line.name, [column.cell(line.phase) for column in shown]) for line in lines(phases)]
    outside = next((phase for phase in phases if not phase.path), None)
    if outside is not None:
        cells = [column.cell(outside) for column in shown]
        titles = [column.title for column in shown]
        cells[titles.index("calls")] = ""
        made.append(Row("", "outside any phase", cells, is_phase=False))
    if process.overlap_bytes:
        made.append(_line("less what overlapping phases count twice", -process.overlap_bytes, shown))
    label = "at the end" if process.ended == "closed" else "at the last reading"
    total = _line(label, process.end_bytes, shown)
    peak = [format_bytes(process.peak_bytes) if column.title == "peak RSS" else "" for column in shown]
    made.append(Row("", label, [a or b for a, b in zip(total.cells, peak, strict=True)], False, is_total=True))
    return made


def _line(name: str, rss: int, shown: Sequence[Column]) -> Row:
    cells = [format_bytes(rss, signed=True) if column.title == "RSS change" else "" for column in shown]
    return Row("", name, cells, is_phase=False)
