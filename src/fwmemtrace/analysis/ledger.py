"""The ledger: the RSS change of each phase, split by owner until the parts add up to the change.

The parts come from smaps, the change itself from the kernel's counter, which is read a moment earlier or later. Two
items close the gap between the two: what the tracer moved in that moment, and how far the counter is from the page
tables (the kernel keeps it per processor and adds it up loosely).
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
    delta: int = 0
    unexplained: int = 0
    unread: int = 0
    items: dict[Key, Sizes] = field(default_factory=dict)


@dataclass(slots=True)
class _Call:
    """RSS when a call began, and the readings at its edges."""

    rss: int = 0
    before: RssBreakdown | None = None
    after: RssBreakdown | None = None


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
        self._moments: dict[str, tuple[PhasePath, RssBreakdown]] = {}
        self.any = False

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record; kinds that are not in `takes` are ignored."""
        if isinstance(record, PhaseBegin):
            self._open.setdefault(record.span, _Call()).rss = record.rss_bytes
            self._paths.setdefault(path, _Totals()).calls += 1
        elif isinstance(record, PhaseEnd):
            call = self._open.pop(record.span, None)
            if call is not None and path in self._paths:
                _settle(self._paths[path], call, record.rss_bytes)
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
            self._latest = record.reading, break_down(record, rows, record.rss_bytes - rss)

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

    def ledgers(self, pid: int = 0) -> list[results.Ledger]:
        """Return a row for each path, whose items and `unexplained_bytes` add up to `rss_delta_bytes` exactly.

        Args:
            pid: of the process.
        """
        return [
            results.Ledger(
                path=write(path),
                rss_delta_bytes=totals.delta,
                unexplained_bytes=totals.unexplained,
                items=_items(totals.items),
                pid=pid,
                calls=totals.calls,
                read_calls=totals.read_calls,
                unread_bytes=totals.unread,
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
                        items=_items(breakdown.items),
                        untouched_bytes=breakdown.untouched_bytes,
                    )
                )
        return rows


def categories(items: Iterable[results.LedgerItem]) -> dict[str, int]:
    """Return the sum of each category in bytes, the largest change first."""
    sums: dict[str, int] = {}
    for item in items:
        sums[item.category] = sums.get(item.category, 0) + item.bytes
    return dict(sorted(sums.items(), key=lambda entry: -abs(entry[1])))


def _settle(totals: _Totals, call: _Call, rss: int) -> None:
    """Add the RSS change of a call that has ended."""
    delta = rss - call.rss
    totals.delta += delta
    before, after = call.before, call.after
    if before is None or after is None:
        totals.unread += delta
        totals.unexplained += delta
        return
    totals.read_calls += 1
    for key, sizes in after.items.items():
        add_to(totals.items, key, sizes)
    for key, sizes in before.items.items():
        add_to(totals.items, key, [-size for size in sizes])
    totals.unexplained += after.unexplained[0] - before.unexplained[0]
    counted = after.counter_bytes - before.counter_bytes
    add_to(totals.items, (TRACER, "at the edges of phases"), [delta - counted, 0, 0, 0])
    by_smaps = after.total_bytes - before.total_bytes
    add_to(totals.items, (COUNTER, "less what smaps adds up to"), [counted - by_smaps, 0, 0, 0])


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
