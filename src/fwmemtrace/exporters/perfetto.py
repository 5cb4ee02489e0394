"""Writes trace events for Perfetto and chrome://tracing: phases as slices, tasks as async slices.

RSS is a counter, and so is the sampled live heap of each phase.

The format is "Trace Event Format"; times are microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ..records import (
    MappingRow,
    MappingsReading,
    PhaseBegin,
    PhaseEnd,
    Record,
    Sample,
    SessionBegin,
)
from ..reports.visible import visible
from .base import ProcessLike, TraceLike
from .stacks import NO_PHASE

Event: TypeAlias = dict[str, Any]


class PerfettoExporter:
    """Writes JSON for ui.perfetto.dev."""

    def export(self, trace: TraceLike, out_path: Path) -> None:
        """Write the file.

        Raises:
            OSError: if the file cannot be written.
        """
        with out_path.open("w", encoding="utf-8") as file:
            file.write('{"displayTimeUnit":"ms","traceEvents":[\n')
            first = True
            for process in trace.processes:
                for event in _events(process):
                    file.write("" if first else ",\n")
                    json.dump(event, file)
                    first = False
            file.write("\n]}\n")


@dataclass
class _Span:
    begin: PhaseBegin
    end: PhaseEnd | None = None
    root: int = 0  # the outermost span of its task, for one that is not a slice of its thread
    lane: bool = True  # whether it is a slice of its thread, nested in those around it


@dataclass
class _Spans:
    """Tells phases that nest within their thread from those of tasks, which take turns in it."""

    spans: dict[int, _Span] = field(default_factory=dict)
    last_ns: int = 0
    _open: dict[int, list[int]] = field(default_factory=dict)  # spans by thread, the innermost last

    def begin(self, record: PhaseBegin) -> None:
        span = self.spans[record.span] = _Span(record)
        stack = self._open.setdefault(record.thread_id, [])
        if record.parent == (stack[-1] if stack else 0):
            stack.append(record.span)
        else:
            span.lane = False

    def end(self, record: PhaseEnd) -> None:
        span = self.spans.get(record.span)
        if span is None:  # its begin record is damaged
            return
        span.end = record
        stack = self._open[span.begin.thread_id]
        if span.lane and stack[-1] != record.span:
            span.lane = False
        if record.span in stack:
            stack.remove(record.span)

    def settle(self) -> None:
        """Move what is inside a span of a task to that task."""
        for span in self.spans.values():  # parents come before what is inside them
            around = self.spans.get(span.begin.parent)
            if around is not None and not around.lane:
                span.lane = False
                span.root = around.root
            elif not span.lane:
                span.root = span.begin.span


def _events(process: ProcessLike) -> Iterator[Event]:
    pid = process.pid
    spans = _Spans()
    readings: dict[int, list[MappingRow]] = {}
    for record in process.records:
        spans.last_ns = max(spans.last_ns, getattr(record, "time_ns", 0))
        if isinstance(record, PhaseBegin):
            spans.begin(record)
        elif isinstance(record, PhaseEnd):
            spans.end(record)
        yield from _of_record(record, pid, readings)
    spans.settle()
    threads = dict.fromkeys(span.begin.thread_id for span in spans.spans.values())
    for number, thread in enumerate(threads):
        name = "first thread with a phase" if number == 0 else f"thread {number + 1}"
        yield {"ph": "M", "name": "thread_name", "pid": pid, "tid": thread, "args": {"name": name}}
    for span in spans.spans.values():
        yield from _of_span(span, pid, spans.last_ns)
    for row in process.report().phases:
        if row.heap is not None:  # known for the end of the session only
            heap = row.heap
            figures = {"bytes": heap.live_bytes, "low": heap.live_low_bytes, "high": heap.live_high_bytes}
            yield _counter(f"sampled live: {visible(row.path) or NO_PHASE}", spans.last_ns, pid, figures)


def _of_record(record: Record, pid: int, readings: dict[int, list[MappingRow]]) -> Iterator[Event]:
    if isinstance(record, SessionBegin):
        name = visible(" ".join(word.rpartition("/")[2] for word in record.command)) or "python"
        yield {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}}
        yield _counter("RSS", record.time_ns, pid, {"bytes": record.rss_bytes})
    elif isinstance(record, (Sample, PhaseBegin, PhaseEnd)):
        yield _counter("RSS", record.time_ns, pid, {"bytes": record.rss_bytes})
    elif isinstance(record, MappingsReading):
        if record.rows:
            readings[record.reading] = record.rows
        by_category: dict[str, int] = {}
        for row in readings.get(record.rows_of or record.reading, []):
            by_category[row.category] = by_category.get(row.category, 0) + row.rss_bytes
        for category, size in by_category.items():
            yield _counter(f"resident: {visible(category)}", record.time_ns, pid, {"bytes": size})


def _of_span(span: _Span, pid: int, last_ns: int) -> Iterable[Event]:
    begin, end = span.begin, span.end
    until_ns = last_ns if end is None else end.time_ns
    details: dict[str, Any] = {"rss_before_bytes": begin.rss_bytes}
    if end is None:
        details["still_open"] = True
    else:
        details |= {
            "rss_after_bytes": end.rss_bytes,
            "rss_change_bytes": end.rss_bytes - begin.rss_bytes,
            "rss_peak_bytes": end.peak_rss_bytes,
        }
        if end.error is not None:
            details["error"] = visible(end.error)
    for key, value in (begin.attributes or {}).items():
        details[f"attribute {visible(key)}"] = visible(value) if isinstance(value, str) else _finite(value)
    common = {"name": visible(begin.name), "cat": "phase", "pid": pid, "tid": begin.thread_id}
    if span.lane:
        duration = _us(until_ns - begin.time_ns)
        return [{"ph": "X", **common, "ts": _us(begin.time_ns), "dur": duration, "args": details}]
    common["id2"] = {"local": hex(span.root)}
    return [
        {"ph": "b", **common, "ts": _us(begin.time_ns), "args": details},
        {"ph": "e", **common, "ts": _us(until_ns)},
    ]


def _counter(name: str, time_ns: int, pid: int, values: dict[str, int]) -> Event:
    return {"ph": "C", "name": name, "pid": pid, "ts": _us(time_ns), "args": values}


def _finite(value: float) -> float | str:
    """Return a number as it is, or as text what JSON has no number for."""
    return value if value == value and abs(value) != float("inf") else str(value)


def _us(time_ns: int) -> float:
    return time_ns / 1000
