"""What a memray capture adds up to for one phase: counters that stay exact while its runs overlap and nest."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple, Protocol, TypeAlias

from ..paths import PhasePath
from .counters import TallyCounters
from .level import Level
from .native_records import StackKey

# What one stack allocated in one phase. A list, because nothing counts faster: bytes allocated, number of allocations,
# live bytes, the fall (see `Level.fall`) for which the next figure holds, live bytes at the phase's own peak, the
# stack.
Site: TypeAlias = list[Any]
ALLOCATED, COUNT, LIVE, FALL, AT_PEAK, KEY = range(6)


def new_site(key: StackKey) -> Site:
    """Return the site of a stack that has allocated nothing yet."""
    return [0, 0, 0, 0, 0, key]


class Sites(Protocol):
    """The sites of a tally, in the order in which they came: a dict by keys, or a table of the compiled core."""

    def get(self, key: StackKey, /) -> Site | None: ...

    def values(self) -> Collection[Site]: ...

    def clear(self) -> None: ...

    def add_up(self, fall: int, /) -> tuple[int, int, list[Site], list[Site]]:
        """Add up all sites, in one pass, since there may be half a million.

        A site that did not change since the phase last fell from its peak is brought up to date, as its next change
        would do. Nothing else changes, so that counting can go on afterwards.

        Args:
            fall: the number of the latest fall.

        Returns:
            Bytes and number of allocations, the sites with live bytes, and those with bytes at the peak.
        """


class SiteDict(dict[StackKey, Site]):
    """The sites of a tally where the fold is in Python."""

    def add_up(self, fall: int, /) -> tuple[int, int, list[Site], list[Site]]:
        """Add up all sites; see `Sites`."""
        allocated = count = 0
        live = []
        at_peak = []
        for site in self.values():
            bytes_allocated, allocations, bytes_live, seen, bytes_at_peak, _ = site
            allocated += bytes_allocated
            count += allocations
            if bytes_live:
                live.append(site)
            if seen != fall:
                site[3] = fall
                site[4] = bytes_at_peak = bytes_live
            if bytes_at_peak:
                at_peak.append(site)
        return allocated, count, live, at_peak


class SiteTotals(NamedTuple):
    """Sites added up.

    Attributes:
        allocated: bytes that they allocated.
        allocations: how many allocations.
        live: the sites with live bytes.
        at_peak: the sites that held bytes at their phase's peak.
        peak_field: where in a site its bytes at the peak are: `AT_PEAK`, or `LIVE` while the phase is at its peak.
    """

    allocated: int
    allocations: int
    live: list[Site]
    at_peak: list[Site]
    peak_field: int


class Tally(TallyCounters):
    """All runs of the phases with one path.

    Args:
        path: of the phases.
        around: the tally of the path without its last name.
        table: makes an empty table of sites.
    """

    __slots__ = ("freed_later", "held", "path", "root", "runs", "whole_held", "wholes")

    def __init__(self, path: PhasePath, around: Tally | None, table: Callable[[], Sites]) -> None:
        super().__init__(Level(), Level(), around, table(), table())
        self.path = path
        self.runs = 0
        self.root: Tally = self if around is None else around.root
        self.wholes: tuple[Level, ...] = (self.whole, *(() if around is None else around.wholes))
        self.held = 0  # at the ends of its runs
        self.whole_held = 0
        # Of what its ended runs held: freed since, by the path of the phase that freed it.
        self.freed_later: dict[PhasePath, int] = {}

    def add_up(self, sites: Sites) -> SiteTotals:
        """Add up `sites` or `ambient`."""
        allocated, count, live, at_peak = sites.add_up(self.own.fall)
        if self.own.now == self.own.top:
            return SiteTotals(allocated, count, live, live, LIVE)
        return SiteTotals(allocated, count, live, at_peak, AT_PEAK)
