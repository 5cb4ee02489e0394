"""The ledger: the RSS change of each phase, split by owner until the parts add up to the change.

The parts come from smaps, the change itself from the kernel's counter, which is read a moment earlier or later. Two
items close the gap between the two: what the tracer moved in that moment, and how far the counter is from the page
tables (the kernel keeps it per processor and adds it up loosely).

Calls that were not read themselves lie between two readings. Where the calls of one path made up the RSS change between
those two, it is split for them as it is split between the readings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from .. import results
from ..paths import PhasePath, write
from ..records import MappingRow, MappingsEdge, MappingsReading, PhaseBegin, PhaseEnd, Record
from .rss_breakdown import COUNTER, TRACER, Key, RssBreakdown, Sizes, add_to, break_down


@dataclass(slots=True)
class _Totals:
    """What the calls of one path add up to."""

    calls: int = 0
    read_calls: int = 0
    spanned_calls: int = 0
    delta: int = 0
    unexplained: int = 0
    unread: int = 0
    private: int = 0
    items: dict[Key, Sizes] = field(default_factory=dict)


@dataclass(slots=True)
class _Call:
    """RSS when a call began, and the readings at its edges."""

    rss: int = 0
    latest: RssBreakdown | None = None  # the latest before it began
    before: RssBreakdown | None = None
    after: RssBreakdown | None = None


@dataclass(slots=True)
class _Unread:
    """Calls of one path between the same two readings."""

    since: RssBreakdown
    calls: int = 0
    delta: int = 0


_SAME_SHARE = 0.1  # by how much the change over unread calls may differ from the one between the readings around them
_SMALLEST_SPAN = 64 * 1024  # bytes; a smaller change between two readings may be anybody's


class LedgerFold:
    """Adds up the RSS changes of the calls of each path, split by owner.

    Attributes:
        any: whether the mappings were read at all.
    """

    takes: ClassVar[tuple[type[Record], ...]] = (PhaseBegin, PhaseEnd, MappingsReading, MappingsEdge)

    def __init__(self) -> None:
        self._paths: dict[PhasePath, _Totals] = {}
        self._mappings: tuple[int, int, list[MappingRow]] = (0, 0, [])  # with the number and RSS of their reading
        self._open: dict[int, _Call] = {}
        self._latest: tuple[int, RssBreakdown] | None = None  # with the number of its reading
        # By path and the breakdown before: since the latest reading, and those that it closes. The call at whose end it
        # was taken is still to come.
        self._unread: dict[tuple[PhasePath, int], _Unread] = {}
        self._spanned: tuple[dict[tuple[PhasePath, int], _Unread], RssBreakdown | None] = {}, None
        self._moments: dict[str, tuple[PhasePath, RssBreakdown]] = {}
        self.any = False

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record; kinds that are not in `takes` are ignored."""
        if isinstance(record, PhaseBegin):
            call = self._open.setdefault(record.span, _Call())
            call.rss = record.rss_bytes
            call.latest = None if self._latest is None else self._latest[1]
            self._paths.setdefault(path, _Totals()).calls += 1
        elif isinstance(record, PhaseEnd):
            ended = self._open.pop(record.span, None)
            if ended is not None and path in self._paths:
                self._settle(path, ended, record.rss_bytes - ended.rss)
        elif isinstance(record, MappingsReading):
            self.any = True
            self._reading(record)
        elif isinstance(record, MappingsEdge):
            self._edge(record, path)

    def _reading(self, record: MappingsReading) -> None:
        if record.rows_of in (0, record.reading):
            self._mappings = record.reading, record.rss_bytes, record.rows
        number, rss, rows = self._mappings
        if number == (record.rows_of or record.reading):  # else damage took the reading that this one refers to
            breakdown = break_down(record, rows, record.rss_bytes - rss)
            self._latest = record.reading, breakdown
            self._settle_unread()
            self._unread, self._spanned = {}, (self._unread, breakdown)

    def _edge(self, record: MappingsEdge, path: PhasePath) -> None:
        if self._latest is None or self._latest[0] != record.reading:
            return  # damage took the reading
        breakdown = self._latest[1]
        self._moments.setdefault("begin", (path, breakdown))
        self._moments["end"] = path, breakdown
        largest = self._moments.get("largest")
        if largest is None or breakdown.total_bytes > largest[1].total_bytes:
            self._moments["largest"] = path, breakdown
        if not record.span:
            return
        # The begin of a phase is written after the reading at that begin.
        call = self._open.setdefault(record.span, _Call())
        if record.edge == "begin":
            call.before = breakdown
        else:
            call.after = breakdown

    def _settle(self, path: PhasePath, call: _Call, delta: int) -> None:
        """Add the RSS change of a call that has ended."""
        totals = self._paths[path]
        totals.delta += delta
        before, after = call.before, call.after
        if before is not None and after is not None:
            totals.read_calls += 1
            totals.private += after.private_bytes - before.private_bytes
            totals.unexplained += _add_difference(totals.items, before, after)
            counted = after.counter_bytes - before.counter_bytes
            add_to(totals.items, (TRACER, "at the edges of phases"), [delta - counted, 0, 0, 0])
            return
        totals.unread += delta
        totals.unexplained += delta
        since = before or call.latest
        if since is None:
            return
        spanned, closing = self._spanned
        groups = self._unread if after is None or after is not closing else spanned
        unread = groups.setdefault((path, id(since)), _Unread(since))
        unread.calls += 1
        unread.delta += delta

    def _settle_unread(self) -> None:
        """Add what the latest reading says about the calls that it closes."""
        spanned, after = self._spanned
        if after is not None:
            for (path, _), unread in spanned.items():
                _span(self._paths[path], unread, after)
        spanned.clear()

    def ledgers(self, pid: int = 0) -> list[results.Ledger]:
        """Return a row for each path, whose items and `unexplained_bytes` add up to `rss_delta_bytes` exactly.

        Args:
            pid: of the process.
        """
        self._settle_unread()
        return [
            results.Ledger(
                path=write(path),
                rss_delta_bytes=totals.delta,
                unexplained_bytes=totals.unexplained,
                items=_items(totals.items),
                pid=pid,
                calls=totals.calls,
                read_calls=totals.read_calls,
                spanned_calls=totals.spanned_calls,
                unread_bytes=totals.unread,
                private_bytes=totals.private,
            )
            for path, totals in self._paths.items()
        ]

    def compositions(self, pid: int = 0) -> list[results.Composition]:
        """Return what RSS consisted of at the first reading, at the largest and at the latest.

        Args:
            pid: of the process.
        """
        moments: tuple[Literal["begin", "largest", "end"], ...] = ("begin", "largest", "end")
        rows = []
        for moment in moments:
            if moment in self._moments:
                path, breakdown = self._moments[moment]
                rows.append(
                    results.Composition(
                        pid=pid,
                        moment=moment,
                        path=write(path),
                        rss_bytes=breakdown.total_bytes,
                        unexplained_bytes=breakdown.unexplained[0],
                        private_bytes=breakdown.private_bytes,
                        pss_bytes=breakdown.pss_bytes,
                        threads=breakdown.threads,
                        items=_items(breakdown.items),
                        untouched_bytes=breakdown.untouched_bytes,
                        reserved_bytes=breakdown.reserved_bytes,
                    )
                )
        return rows


def categories(items: Iterable[results.LedgerItem]) -> dict[str, int]:
    """Return the sum of each category in bytes, the largest change first."""
    sums: dict[str, int] = {}
    for item in items:
        sums[item.category] = sums.get(item.category, 0) + item.bytes
    return dict(sorted(sums.items(), key=lambda entry: -abs(entry[1])))


def _add_difference(items: dict[Key, Sizes], before: RssBreakdown, after: RssBreakdown) -> int:
    """Add the difference of two breakdowns to the items; returns that of what is unexplained."""
    for key, sizes in after.items.items():
        add_to(items, key, sizes)
    for key, sizes in before.items.items():
        add_to(items, key, [-size for size in sizes])
    counted = after.counter_bytes - before.counter_bytes
    by_smaps = after.total_bytes - before.total_bytes
    add_to(items, (COUNTER, "less what smaps adds up to"), [counted - by_smaps, 0, 0, 0])
    return after.unexplained[0] - before.unexplained[0]


def _span(totals: _Totals, unread: _Unread, after: RssBreakdown) -> None:
    """Split the change over unread calls as it is between the readings around them, if it is the same change."""
    between = after.counter_bytes - unread.since.counter_bytes
    if abs(between) < _SMALLEST_SPAN or abs(between - unread.delta) > _SAME_SHARE * abs(between):
        return
    items: dict[Key, Sizes] = {}
    _add_difference(items, unread.since, after)
    named = 0
    for key, sizes in items.items():
        scaled = [round(size * unread.delta / between) for size in sizes]
        named += scaled[0]
        add_to(totals.items, key, scaled)
    totals.spanned_calls += unread.calls
    totals.unread -= unread.delta
    totals.unexplained -= named


def _items(items: dict[Key, Sizes]) -> list[results.LedgerItem]:
    rows = [
        results.LedgerItem(
            category=category,
            owner=owner,
            bytes=sizes[0],
            private_bytes=sizes[1],
            evictable_bytes=sizes[2],
            anonymous_bytes=sizes[3],
        )
        for (category, owner), sizes in items.items()
        if any(sizes)
    ]
    return sorted(rows, key=lambda item: -abs(item.bytes))
