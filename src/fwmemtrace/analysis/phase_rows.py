"""Folds the runs of each phase into one row: calls, errors, time, and RSS that adds up to the process's."""

from __future__ import annotations

from dataclasses import dataclass, field

from .. import results
from ..paths import OUTSIDE, PhasePath, in_tree_order, write
from ..records import Overhead, PhaseBegin, PhaseEnd, SessionBegin, SessionEnd
from .open_spans import OpenSpan


@dataclass
class _Row:
    calls: int = 0
    open_calls: int = 0
    wall_ns: int = 0
    before_bytes: int = 0
    after_bytes: int = 0
    delta_bytes: int = 0
    peak_bytes: int = 0
    tracer_bytes: int = 0
    error_types: dict[str, int] = field(default_factory=dict)
    attributes: dict[str, str | int | float | bool] = field(default_factory=dict)

    def add(self, span: OpenSpan, rss: int, peak: int, time_ns: int) -> None:
        begin = span.begin
        self.wall_ns += time_ns - begin.time_ns
        self.after_bytes = rss
        self.delta_bytes += rss - begin.rss_bytes
        self.peak_bytes = max(self.peak_bytes, peak, rss, begin.rss_bytes)
        self.tracer_bytes += span.tracer_bytes

    def result(self, path: PhasePath, pid: int) -> results.PhaseRow:
        return results.PhaseRow(
            path=write(path),
            pid=pid,
            calls=self.calls,
            errors=sum(self.error_types.values()),
            wall_ns=self.wall_ns,
            resident=results.Resident(
                before_bytes=self.before_bytes,
                after_bytes=self.after_bytes,
                delta_bytes=self.delta_bytes,
                peak_bytes=self.peak_bytes,
                tracer_bytes=self.tracer_bytes,
            ),
            error_types=self.error_types,
            attributes=self.attributes,
            open_calls=self.open_calls,
        )


class PhaseFold:
    """Takes the records of one process, with the run each one belongs to.

    The RSS change of a process is split among its outermost phases and "outside any phase": while at least one
    outermost phase is open, a change is inside, else outside. Where outermost phases overlap (threads), each has the
    whole change in its own row, and `overlap_bytes` tells what was counted more than once.
    """

    def __init__(self) -> None:
        self._rows: dict[PhasePath, _Row] = {}
        self._outermost: set[int] = set()
        self._inside = 0  # bytes, over the stretches with an outermost phase open
        self._inside_ns = 0
        self._stretch: tuple[int, int] = (0, 0)  # RSS and time where the present stretch began
        self._roots_delta = 0
        self._first: tuple[int, int] | None = None
        self.last_rss = 0
        self.last_ns = 0
        self.peak = 0

    def session(self, record: SessionBegin) -> None:
        """The session began."""
        self._seen(record.rss_bytes, record.time_ns)

    def begin(self, record: PhaseBegin, span: OpenSpan) -> None:
        """A run began."""
        self._seen(record.rss_bytes, record.time_ns)
        row = self._rows.get(span.path)
        if row is None:
            row = self._rows[span.path] = _Row(before_bytes=record.rss_bytes, attributes=record.attributes or {})
        row.calls += 1
        row.open_calls += 1
        if span.parent is None:
            if not self._outermost:
                self._stretch = record.rss_bytes, record.time_ns
            self._outermost.add(record.span)

    def end(self, record: PhaseEnd, span: OpenSpan) -> None:
        """A run ended."""
        self._seen(record.rss_bytes, record.time_ns)
        self.peak = max(self.peak, record.peak_rss_bytes)
        row = self._rows[span.path]
        row.open_calls -= 1
        row.add(span, record.rss_bytes, record.peak_rss_bytes, record.time_ns)
        if record.error is not None:
            row.error_types[record.error] = row.error_types.get(record.error, 0) + 1
        if span.parent is None:
            self._leave(span.begin, record.rss_bytes, record.time_ns)

    def overhead(self, record: Overhead, span: OpenSpan | None) -> None:
        """What a probe left behind at the edges of a run counts in every run around it."""
        around = None if span is None else span.parent
        while around is not None:
            around.tracer_bytes += record.rss_bytes
            around = around.parent

    def reading(self, rss: int, time_ns: int) -> None:
        """RSS was read between the edges of phases."""
        self._seen(rss, time_ns)

    def session_end(self, record: SessionEnd) -> None:
        """The session was stopped."""
        self._seen(record.rss_bytes, record.time_ns)
        self.peak = max(self.peak, record.peak_rss_bytes)

    def finish(self, still_open: list[OpenSpan]) -> None:
        """No record will follow: what is open ended, as far as anybody knows, with the latest reading."""
        for span in still_open:
            self._rows[span.path].add(span, self.last_rss, 0, self.last_ns)
            if span.parent is None:
                self._leave(span.begin, self.last_rss, self.last_ns)

    def _leave(self, begin: PhaseBegin, rss: int, time_ns: int) -> None:
        self._roots_delta += rss - begin.rss_bytes
        self._outermost.discard(begin.span)
        if not self._outermost:
            self._inside += rss - self._stretch[0]
            self._inside_ns += time_ns - self._stretch[1]

    def _seen(self, rss: int, time_ns: int) -> None:
        if self._first is None:
            self._first = rss, time_ns
        self.last_rss, self.last_ns = rss, max(self.last_ns, time_ns)
        self.peak = max(self.peak, rss)

    @property
    def before_bytes(self) -> int:
        """RSS when the session began."""
        return 0 if self._first is None else self._first[0]

    @property
    def wall_ns(self) -> int:
        """From the first record to the last."""
        return 0 if self._first is None else self.last_ns - self._first[1]

    @property
    def outside_bytes(self) -> int:
        """The change of RSS while no phase was open."""
        return self.last_rss - self.before_bytes - self._inside

    @property
    def overlap_bytes(self) -> int:
        """What outermost phases that ran at once have counted more than once."""
        return self._roots_delta - self._inside

    def rows(self, pid: int) -> dict[PhasePath, results.PhaseRow]:
        """A row a path, a phase before the phases inside it; last the row for what was in no phase."""
        rows = {path: self._rows[path].result(path, pid) for path in in_tree_order(self._rows)}
        outside = _Row(
            calls=1,
            wall_ns=self.wall_ns - self._inside_ns,
            before_bytes=self.before_bytes,
            after_bytes=self.last_rss,
            delta_bytes=self.outside_bytes,
            peak_bytes=self.peak,
        )
        return {**rows, OUTSIDE: outside.result(OUTSIDE, pid)}
