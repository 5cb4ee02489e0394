"""What a live view shows of one process, as typed cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import results
from .blocks import Alarm, Bytes, Code, Count, Duration, Inline, Sentence
from .ledger_words import UNEXPLAINED, ledger_words
from .tree import drawn

PHASE_COLUMNS = ("phase", "running", "calls", "RSS change", "peak RSS", "time", "per call")
MEMORY_COLUMNS = ("what RSS consists of", "bytes", "since the start")
_ITEMS = 12


@dataclass(frozen=True, slots=True)
class LiveView:
    """The tables of one process.

    Attributes:
        status: a line about it.
        rss: RSS over time, in bytes.
        phases: a row for each phase, by `PHASE_COLUMNS`.
        memory: a row for each item of the latest reading, by `MEMORY_COLUMNS`.
    """

    status: Sentence
    rss: Sequence[int]
    phases: Sequence[Sequence[Sentence]]
    memory: Sequence[Sequence[Sentence]]


def live_view(report: results.TraceReport, pid: int) -> LiveView:
    """Returns what is known of a process by now."""
    process = next(process for process in report.trace.processes if process.pid == pid)
    state = "running for " if process.running else "ended after " if process.ended == "closed" else "gone after "
    where: list[Inline] = [", in ", Code(process.last_phase)] if process.last_phase else []
    status: list[Inline] = [f"pid {pid}, {state}", Duration(process.wall_ns), *where]
    status += [": RSS ", Bytes(process.end_bytes), ", peak ", Bytes(process.peak_bytes), *_limit(process)]
    growth = {row.path: row for row in report.growth or [] if row.pid == pid and row.metric == "rss"}
    rows = [row for row in report.phases if row.pid == pid]
    return LiveView(
        status=status,
        rss=[point.rss_bytes for point in report.timeline if point.pid == pid],
        phases=[[name, *_figures(row, growth.get(row.path))] for row, name in drawn(rows)],
        memory=_memory([moment for moment in report.composition or [] if moment.pid == pid]),
    )


def _limit(process: results.Process) -> Sequence[str | Bytes]:
    limit = None if process.cgroup is None else process.cgroup.limit_bytes
    return [] if limit is None else [", limit ", Bytes(limit)]


def _figures(row: results.PhaseRow, growth: results.Growth | None) -> list[Sentence]:
    resident = row.resident
    slope: Sentence = None
    if growth is not None and growth.verdict == "growing":
        slope = Alarm(Bytes(growth.slope_bytes_per_call, signed=True))
    elif growth is not None and growth.verdict != "too few calls":
        slope = growth.verdict
    return [
        Count(row.open_calls) if row.open_calls else None,
        Count(row.calls),
        None if resident is None else Bytes(resident.delta_bytes, signed=True),
        None if resident is None else Bytes(resident.peak_bytes),
        Duration(row.wall_ns),
        slope,
    ]


def _memory(moments: Sequence[results.Composition]) -> list[list[Sentence]]:
    by_moment = {moment.moment: moment for moment in moments}
    end = by_moment.get("end") or by_moment.get("largest") or by_moment.get("begin")
    if end is None:
        return []
    begin = by_moment.get("begin", end)
    before = {(item.category, item.owner): item.bytes for item in begin.items}
    rows: list[list[Sentence]] = [
        [
            ledger_words(item.category, item.owner),
            Bytes(item.bytes),
            Bytes(item.bytes - before.get((item.category, item.owner), 0), signed=True),
        ]
        for item in end.items[:_ITEMS]
    ]
    rest = sum(item.bytes for item in end.items[_ITEMS:])
    if rest:
        rows.append(["smaller items", Bytes(rest), None])
    if end.unexplained_bytes:
        change = Bytes(end.unexplained_bytes - begin.unexplained_bytes, signed=True)
        rows.append([UNEXPLAINED, Bytes(end.unexplained_bytes), change])
    return rows
