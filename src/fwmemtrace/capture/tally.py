"""What a memray capture adds up to for one phase: counters that stay exact while runs of it overlap and nest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol, TypeAlias

from ..paths import PhasePath

# A site, what one stack asked for in one phase. A list, because nothing is faster to count in: bytes asked for, how
# often, bytes live, which peak of the phase's own level `AT_PEAK` is of (see `Level.fall`), bytes live then, the stack.
Site: TypeAlias = list[Any]
ASKED, COUNT, LIVE, FALL, AT_PEAK, KEY = range(6)


def new_site(key: Any) -> Site:
    """The site of a stack that has asked for nothing yet."""
    return [0, 0, 0, 0, 0, key]


class Sifted(NamedTuple):
    """What sites come to.

    Attributes:
        asked: bytes that they asked for.
        times: how often.
        live: those that have anything live.
        at_peak: those that had at their phase's peak.
    """

    asked: int
    times: int
    live: list[Site]
    at_peak: list[Site]


def sift(sites: Iterable[Site], fall: int) -> Sifted:
    """Add sites up, and settle what each of them had at the peak; one pass, since there may be half a million.

    Args:
        sites: of one phase.
        fall: of the phase's own level, at the end.
    """
    asked = times = 0
    live = []
    at_peak = []
    for site in sites:
        bytes_asked, calls, bytes_live, seen, bytes_at_peak, _ = site
        asked += bytes_asked
        times += calls
        if bytes_live:
            live.append(site)
        if seen != fall:
            site[3] = fall
            site[4] = bytes_at_peak = bytes_live
        if bytes_at_peak:
            at_peak.append(site)
    return Sifted(asked, times, live, at_peak)


class Mapped(Protocol):
    """What a tally has to know of a mapping; `mapped.Mapped` is one.

    Attributes:
        counted: whether its bytes count as memory, by what is known or guessed so far.
        settled: whether its kind is known.
        correction: 1 or -1 where the guess was wrong and its bytes count from now on, or no more; else 0.
        left: bytes of it that are still mapped.
        ends: runs around it that ended while it was unsettled, and what was left of it then.
    """

    counted: bool
    settled: bool
    correction: int
    left: int
    ends: list[tuple[Run, int]]


class Level:
    """How many bytes are live at once, and the most that ever were."""

    __slots__ = ("fall", "local", "log", "now", "settled", "top")

    def __init__(self) -> None:
        self.now = 0
        self.top = 0
        # How often the level fell from its top. A site that changes for the first time since then has, until that
        # moment, what it had at the top: so what made up the top is known without a copy of every site.
        self.fall = 0
        # What happened to mappings whose kind is only guessed, each with the highest level between the one before and
        # it: enough to find the true top once the kinds are known.
        self.log: list[tuple[int, Mapped, int]] = []
        self.local = 0
        self.settled = 0  # the top before the log's first entry

    def change(self, mapped: Mapped, size: int) -> None:
        """A mapping grew by so much, or shrank."""
        now = self.now
        if mapped.counted:
            now = self.now = now + size
        if not mapped.settled:
            if not self.log:
                self.settled = self.top
            self.log.append((self.local, mapped, size))
            self.local = now
        elif now > self.local:
            self.local = now
        if now > self.top:
            self.top = now

    def forget(self) -> None:
        """A mapping turned out to be what was guessed: the end of the log is of no use if it tells of such ones."""
        log = self.log
        while log and log[-1][1].settled:
            self.local = max(self.local, log.pop()[0])

    def settle(self) -> None:
        """What every mapping is of is known now: put right what wrong guesses did."""
        if any(mapped.correction for _, mapped, _ in self.log):
            shift = 0
            best = self.settled
            for highest, mapped, size in self.log:
                best = max(best, highest + shift)
                shift += size * mapped.correction
            self.now += shift
            self.local += shift
            self.top = max(best, self.local)
        self.log.clear()


class Tally:
    """All runs of the phase of one path."""

    __slots__ = (
        "ambient",
        "freed",
        "freed_later",
        "held",
        "own",
        "path",
        "root",
        "runs",
        "sites",
        "whole",
        "whole_held",
        "wholes",
    )

    def __init__(self, path: PhasePath, around: Tally | None) -> None:
        self.path = path
        self.runs = 0
        self.root: Tally = self if around is None else around.root
        self.sites: dict[Any, Site] = {}  # by the key of the stack
        self.ambient: dict[Any, Site] = {}  # the same for threads with no phase of their own
        self.own = Level()
        self.whole = Level()  # inner phases included
        self.wholes: tuple[Level, ...] = (self.whole, *(() if around is None else around.wholes))
        self.freed = 0  # while one of its runs was the innermost
        self.held = 0  # at the ends of its runs
        self.whole_held = 0
        self.freed_later: dict[
            PhasePath, int
        ] = {}  # of what its ended runs held, by the path of the phase that freed it


class Run:
    """One run of a phase. Blocks refer to the run that allocated them, so it lives as long as they do."""

    __slots__ = ("lineage", "live", "open", "outer", "tally", "unsettled", "whole")

    def __init__(self, tally: Tally, parent: Run | None, outer: Run | None) -> None:
        self.tally = tally
        self.lineage: tuple[Run, ...] = (self, *(parent.lineage if parent is not None else ()))
        self.outer = outer  # what its thread was in before
        self.open = True
        self.live = 0  # bytes of its own that nobody freed
        self.whole = 0  # with those of the runs inside it
        self.unsettled: dict[Mapped, None] | None = None  # mapped in it, or in a run inside it; None for none yet
        tally.runs += 1

    def close(self) -> None:
        """It ended: what it has not freed, it holds."""
        self.open = False
        self.tally.held += self.live
        self.tally.whole_held += self.whole
        for mapped in self.unsettled or ():
            mapped.ends.append((self, mapped.left))
        self.unsettled = None

    def lose(self, size: int) -> None:
        """A block of its own is gone: from its counters only, not from its tally's levels."""
        self.live -= size
        for run in self.lineage:
            run.whole -= size
