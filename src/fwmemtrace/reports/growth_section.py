"""Growth from call to call of a phase, and what keeps alive what grows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from .. import results
from .blocks import (
    Alarm,
    Block,
    Bytes,
    Code,
    Column,
    Count,
    Listing,
    Prose,
    Range,
    Section,
    Sentence,
    Table,
    counted,
    plain,
)
from .holder_words import holder_words

_VERDICTS = ("growing", "saturating")
_METRICS = {"rss": "RSS", "native": "native live", "python_heap": "Python heap"}


def growth_sections(report: results.TraceReport, process: results.Process) -> Iterator[Section]:
    """Yields the trends of a process's phases, if one has enough calls: a row for each that rises."""
    known = [trend for trend in report.growth or [] if trend.pid == process.pid and trend.verdict != "too few calls"]
    if not known:
        return
    rising = [trend for trend in known if trend.verdict in _VERDICTS]
    phases, growing = len({trend.path for trend in known}), len({trend.path for trend in rising})
    blocks: list[Block] = [Prose("verdict", [_verdict(phases, growing)])]
    if rising:
        blocks.append(_table(rising))
    holders = {plain(words): words for trend in rising for words in map(holder_words, trend.held_by)}
    if holders:
        blocks.append(Listing("holders", list(holders.values()), ordered=False))
    looks = list(_looks(report, process.pid, {trend.path for trend in rising}))
    if looks:
        blocks.append(Prose("looks", looks))
    yield Section(f"growth-{process.pid}", "Growth", blocks)


def _looks(report: results.TraceReport, pid: int, paths: Collection[str]) -> Iterator[Sentence]:
    """Yields how many calls of each of the phases the probe `objects` looked at."""
    for row in report.phases:
        if row.pid == pid and row.path in paths and row.objects is not None:
            calls = counted(row.calls, "call")
            yield ["Objects were counted in ", Count(row.objects.calls), " of ", *calls, " of ", Code(row.path), "."]


def _verdict(phases: int, growing: int) -> str:
    """The verdict in words.

    >>> _verdict(1, 0), _verdict(3, 1)
    ('No growth: the one phase with enough calls is flat.', '1 of 3 phases with enough calls grows.')
    """
    if not growing:
        which = "the one phase with enough calls is" if phases == 1 else f"all {phases} phases with enough calls are"
        return f"No growth: {which} flat."
    if phases == 1:
        return "The one phase with enough calls grows."
    return f"{growing} of {phases} phases with enough calls {'grows' if growing == 1 else 'grow'}."


def _table(trends: Sequence[results.Growth]) -> Table:
    columns = [
        Column("phase"),
        Column("metric"),
        Column("calls", "right"),
        Column("growth per call", "right"),
        Column("99% CI", "right"),
        Column("at the end", "right"),
        Column("verdict"),
    ]
    return Table("trends", columns, [_row(trend) for trend in trends])


def _row(trend: results.Growth) -> list[Sentence]:
    slope, low, high = (_figure(value, trend.unit) for value in (trend.slope_bytes_per_call, trend.low, trend.high))
    metric = _METRICS.get(trend.metric, trend.metric)
    end = trend.remaining_slope_bytes_per_call
    remaining = None if end is None else _figure(end, trend.unit)
    return [Code(trend.path), metric, Count(trend.calls), slope, Range(low, high), remaining, _outcome(trend)]


def _outcome(trend: results.Growth) -> Sentence:
    """The verdict; for a rise that stopped, with the calls in which most of it came."""
    if trend.verdict != "saturating" or not 0 < trend.rise_calls < trend.calls:
        return Alarm(trend.verdict) if trend.verdict == "growing" else trend.verdict
    rise = _figure(trend.rise_bytes, trend.unit)
    return ["saturating: ", rise, ", nine tenths of it in the first ", *counted(trend.rise_calls, "call")]


def _figure(value: float, unit: str) -> Bytes | Count:
    return Bytes(value, signed=True) if unit == "bytes" else Count(value, signed=True, digits=1)
