"""Folds all calls of a phase into one row: calls, errors, time, and RSS changes that add up to the process's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TypeAlias

from .. import results
from ..paths import OUTSIDE, PhasePath, in_tree_order, write
from ..records import (
    CallTotals,
    Overhead,
    PhaseAttributes,
    PhaseBegin,
    PhaseEnd,
    SessionBegin,
    SessionEnd,
    UnmeasuredCalls,
)
from .open_phases import MOST_PATHS, OpenPhase, limited

# Attributes with more values tell calls apart, such as the id of a user, and are no kinds of calls.
_MOST_VALUES = 16
_MOST_COUNTED = 32  # attributes of a phase
_LONGEST_VALUE = 200  # characters

Attributes: TypeAlias = dict[str, str | int | float | bool]


@dataclass
class _Totals:
    """What the calls of one path add up to."""

    calls: int = 0
    open_calls: int = 0
    unmeasured_calls: int = 0
    wall_ns: int = 0
    before_bytes: int = 0
    after_bytes: int = 0
    delta_bytes: int = 0
    peak_bytes: int = 0
    tracer_bytes: int = 0
    error_types: dict[str, int] = field(default_factory=dict)
    attributes: Attributes = field(default_factory=dict)
    values: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, call: OpenPhase, rss: int, peak: int, time_ns: int) -> None:
        """Add a call that ended at this time with this RSS."""
        begin = call.begin
        self.wall_ns += time_ns - begin.time_ns
        self.after_bytes = rss
        self.delta_bytes += rss - begin.rss_bytes
        self.peak_bytes = max(self.peak_bytes, peak, rss, begin.rss_bytes)
        self.tracer_bytes += call.tracer_bytes

    def count(self, attributes: Attributes) -> None:
        """Count the values of a call that ended."""
        for name, value in attributes.items():
            counts = self.values.get(name)
            if counts is None:
                if len(self.values) == _MOST_COUNTED:
                    continue
                counts = self.values[name] = {}
            text = str(value)[:_LONGEST_VALUE]
            if text in counts or len(counts) <= _MOST_VALUES:
                counts[text] = counts.get(text, 0) + 1

    def row(self, path: PhasePath, pid: int) -> results.PhaseRow:
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
            error_types=dict(self.error_types),
            attributes=dict(self.attributes),
            attribute_calls={name: dict(counts) for name, counts in self.values.items() if len(counts) <= _MOST_VALUES},
            open_calls=self.open_calls,
            unmeasured_calls=self.unmeasured_calls,
        )


def _in_json(attributes: Attributes | None) -> Attributes:
    """Return attributes with the numbers that JSON does not have as text."""
    return {
        name: value if not isinstance(value, float) or isfinite(value) else str(value)
        for name, value in (attributes or {}).items()
    }


class PhaseRowFold:
    """Takes the phase edges and RSS readings of one process.

    The RSS change of a process is split between its outermost phases and "outside any phase": while at least one
    outermost phase is open, a change is inside, else outside. Where outermost phases overlap (threads), each row has
    the whole change, and `overlap_bytes` is what was counted more than once.

    All figures can be read at any time. A phase that is still open counts as if it had ended with the latest reading.

    Attributes:
        last_rss: the latest reading of RSS, in bytes.
        last_ns: the time of the latest reading, by the monotonic clock.
        peak: the largest RSS so far, in bytes.
    """

    def __init__(self) -> None:
        self._totals: dict[PhasePath, _Totals] = {}
        self._outermost: dict[int, int] = {}  # RSS at the start of each open outermost phase, by span
        self._closed_inside = 0  # RSS change over the stretches with an outermost phase open, the current one left out
        self._closed_inside_ns = 0
        self._stretch: tuple[int, int] = (0, 0)  # RSS and time at the start of the current stretch
        self._closed_outermost = 0  # the sum of the RSS changes of outermost phases that have ended
        self._first: tuple[int, int] | None = None
        self.last_rss = 0
        self.last_ns = 0
        self.peak = 0

    def session_begin(self, record: SessionBegin) -> None:
        """Add the start of the session."""
        self.reading(record.rss_bytes, record.time_ns)

    def begin(self, record: PhaseBegin, call: OpenPhase) -> None:
        """Add the start of a call."""
        self.reading(record.rss_bytes, record.time_ns)
        totals = self._totals.get(call.path)
        if totals is None:
            totals = _Totals(before_bytes=record.rss_bytes, attributes=_in_json(record.attributes))
            self._totals[call.path] = totals
        totals.calls += 1
        totals.open_calls += 1
        if call.parent is None:
            if not self._outermost:
                self._stretch = record.rss_bytes, record.time_ns
            self._outermost[record.span] = record.rss_bytes

    def attributes(self, record: PhaseAttributes, call: OpenPhase) -> None:
        """Add attributes of a call; those of the first call that has them stand for all."""
        totals = self._totals[call.path]
        totals.attributes = {**record.attributes, **totals.attributes}
        call.attributes = {**(call.attributes or {}), **record.attributes}

    def end(self, record: PhaseEnd, call: OpenPhase) -> None:
        """Add the end of a call."""
        self.reading(record.rss_bytes, record.time_ns)
        self.peak = max(self.peak, record.peak_rss_bytes)
        totals = self._totals[call.path]
        totals.open_calls -= 1
        totals.add(call, record.rss_bytes, record.peak_rss_bytes, record.time_ns)
        if call.begin.attributes or call.attributes:
            totals.count({**(call.begin.attributes or {}), **(call.attributes or {})})
        if record.error is not None:
            totals.error_types[record.error] = totals.error_types.get(record.error, 0) + 1
        if call.parent is None:
            self._closed_outermost += record.rss_bytes - call.begin.rss_bytes
            self._outermost.pop(record.span, None)
            if not self._outermost:
                self._closed_inside += record.rss_bytes - self._stretch[0]
                self._closed_inside_ns += record.time_ns - self._stretch[1]

    def unmeasured(self, record: UnmeasuredCalls) -> None:
        """Add calls that were only counted."""
        totals = self._counted(record.path)
        if totals is None:
            return
        totals.calls += record.calls
        totals.unmeasured_calls += record.calls
        totals.wall_ns += record.wall_ns
        for name, count in record.errors.items():
            totals.error_types[name] = totals.error_types.get(name, 0) + count

    def at_least(self, record: CallTotals) -> None:
        """Add the calls that the records so far lack of all that there were: those of parts that were dropped."""
        totals = self._counted(record.path)
        if totals is None:
            return
        missing = record.calls - (totals.calls - totals.open_calls)
        if missing > 0:
            totals.calls += missing
            totals.unmeasured_calls += missing
        totals.wall_ns = max(totals.wall_ns, record.wall_ns)
        for name, count in record.errors.items():
            totals.error_types[name] = max(totals.error_types.get(name, 0), count)

    def _counted(self, names: list[str]) -> _Totals | None:
        """Return the totals of a path, some of whose calls have no records; None if there are too many paths."""
        path = limited(names)
        totals = self._totals.get(path)
        if totals is None:
            if path == OUTSIDE or len(self._totals) >= MOST_PATHS:  # not what a session writes
                return None
            totals = self._totals[path] = _Totals(before_bytes=self.last_rss, after_bytes=self.last_rss)
        return totals

    def overhead(self, record: Overhead, call: OpenPhase | None) -> None:
        """Add what a probe left resident at an edge of a call to every call around it."""
        around = None if call is None else call.parent
        while around is not None:
            around.tracer_bytes += record.rss_bytes
            around = around.parent

    def reading(self, rss: int, time_ns: int) -> None:
        """Add a reading of RSS."""
        if self._first is None:
            self._first = rss, time_ns
        self.last_rss, self.last_ns = rss, max(self.last_ns, time_ns)
        self.peak = max(self.peak, rss)

    def session_end(self, record: SessionEnd) -> None:
        """Add the end of the session."""
        self.reading(record.rss_bytes, record.time_ns)
        self.peak = max(self.peak, record.peak_rss_bytes)

    @property
    def paths(self) -> int:
        """The number of phase paths."""
        return len(self._totals)

    @property
    def before_bytes(self) -> int:
        """RSS when the session began."""
        return 0 if self._first is None else self._first[0]

    @property
    def wall_ns(self) -> int:
        """Time from the first record to the last."""
        return 0 if self._first is None else self.last_ns - self._first[1]

    @property
    def outside_bytes(self) -> int:
        """RSS change while no phase was open."""
        return self.last_rss - self.before_bytes - self._inside_bytes

    @property
    def overlap_bytes(self) -> int:
        """RSS change that outermost phases running at the same time counted more than once."""
        still_open = sum(self.last_rss - before for before in self._outermost.values())
        return self._closed_outermost + still_open - self._inside_bytes

    @property
    def _inside_bytes(self) -> int:
        return self._closed_inside + (self.last_rss - self._stretch[0] if self._outermost else 0)

    @property
    def _inside_ns(self) -> int:
        return self._closed_inside_ns + (self.last_ns - self._stretch[1] if self._outermost else 0)

    def rows(self, pid: int, still_open: Iterable[OpenPhase]) -> dict[PhasePath, results.PhaseRow]:
        """Return a row for each path, a phase before the phases inside it, and last the row for "no phase".

        Args:
            pid: of the process.
            still_open: the calls that have not ended, in the order in which they began.
        """
        totals = dict(self._totals)
        for call in still_open:
            if totals[call.path] is self._totals[call.path]:
                totals[call.path] = replace(totals[call.path])
            totals[call.path].add(call, self.last_rss, 0, self.last_ns)
        rows = {path: totals[path].row(path, pid) for path in in_tree_order(totals)}
        outside = _Totals(
            calls=1,
            wall_ns=self.wall_ns - self._inside_ns,
            before_bytes=self.before_bytes,
            after_bytes=self.last_rss,
            delta_bytes=self.outside_bytes,
            peak_bytes=self.peak,
        )
        return {**rows, OUTSIDE: outside.row(OUTSIDE, pid)}
