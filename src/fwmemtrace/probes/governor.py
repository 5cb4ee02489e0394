"""Limits the time that expensive readings take: walks over the whole heap, full collections, readings of smaps.

Such a reading takes from milliseconds to a second. At every edge of a hot phase it would be most of what the program
does; without any, there would be no answer. So the first runs of every phase are read, and later runs as long as the
readings take no more than a share of the session's time. Records say, or show by their absence, which runs were not
read.
"""

from __future__ import annotations

from _thread import RLock, get_ident
from collections.abc import Callable
from time import perf_counter_ns

from ..tracing.phases import MOST_PATHS
from .path_table import PathTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..paths import PhasePath


_WHILE_NS = 2_000_000
# A program may make up a thousand names of phases.
_FIRST_SHARE, _FIRST_ADVANCE_NS = 0.5, 5_000_000_000


class Governor:
    """Keeps the account of a session: the time that expensive readings took, by probe and in all. Thread-safe.

    Args:
        limit: the largest share of the session's time that the readings of all probes may take together, first runs
            included; None for no limit but those of the single probes.
        clock: returns nanoseconds of a monotonic clock.

    Attributes:
        now: the clock.
        spent_ns: the time that all readings have taken, in nanoseconds.
    """

    __slots__ = ("_began_ns", "_limit", "_lock", "_readers", "now", "spent_ns")

    def __init__(self, limit: float | None = None, clock: Callable[[], int] = perf_counter_ns) -> None:
        self._limit = limit
        self.now = clock
        self._began_ns = clock()
        self._lock = RLock()  # a signal handler may run a phase inside it
        self._readers: dict[int, int] = {}
        self.spent_ns = 0

    def for_probe(
        self,
        share: float,
        *,
        advance_ns: int = 0,
        first_runs: int = 1,
        first_paths: int = MOST_PATHS,
        first_share: float = _FIRST_SHARE,
        first_advance_ns: int = _FIRST_ADVANCE_NS,
    ) -> TimeBudget:
        """Return a budget for the readings of one probe.

        Args:
            share: the largest share of the time since now that its readings may take; 1 grants all of them.
            advance_ns: time in nanoseconds that they may take on top, as when the session has just begun.
            first_runs: how many runs of each path are read regardless of that share.
            first_paths: for how many paths.
            first_share: the share of the time beyond which first runs are not read either.
            first_advance_ns: time in nanoseconds that first runs may take on top of it.
        """
        return TimeBudget(self, share, advance_ns, first_runs, PathTable(first_paths), first_share, first_advance_ns)

    def after_fork(self) -> None:
        """This is a forked child process: another thread of the parent may have held the lock."""
        self._lock = RLock()
        self._readers = {}

    def enter(self) -> None:
        """This thread begins what may be an expensive reading."""
        self._readers[get_ident()] = self.now()

    def leave(self) -> None:
        """This thread has ended it."""
        self._readers.pop(get_ident(), None)

    @property
    def others_read(self) -> bool:
        """Whether another thread has been reading for a while.

        Readings in several threads at once take as many times longer, and none of them is in the account before its
        end: so they would all be granted.
        """
        if len(self._readers) <= 1:
            return False
        own, since = get_ident(), self.now() - _WHILE_NS
        return any(began < since for thread, began in list(self._readers.items()) if thread != own)

    @property
    def within_limit(self) -> bool:
        """Whether the readings of all probes together are within the limit."""
        return self._limit is None or self.spent_ns <= self._limit * (self.now() - self._began_ns)

    def spend(self, budget: TimeBudget, wall_ns: int) -> None:
        """Add the time that a reading took to the budget and to the whole."""
        with self._lock:
            budget.spent_ns += wall_ns
            self.spent_ns += wall_ns


class TimeBudget:
    """The time that one probe may spend on expensive readings. `Governor.for_probe` makes it.

    Attributes:
        spent_ns: the time that they have taken, in nanoseconds.
    """

    __slots__ = (
        "_advance_ns",
        "_began_ns",
        "_first_advance_ns",
        "_first_runs",
        "_first_share",
        "_governor",
        "_runs",
        "_share",
        "spent_ns",
    )

    def __init__(
        self,
        governor: Governor,
        share: float,
        advance_ns: int,
        first_runs: int,
        runs: PathTable[int],
        first_share: float,
        first_advance_ns: int,
    ) -> None:
        self._governor = governor
        self._share = share
        self._advance_ns = advance_ns
        self._first_runs = first_runs
        self._runs = runs
        self._first_share = first_share
        self._first_advance_ns = first_advance_ns
        self._began_ns = governor.now()
        self.spent_ns = 0

    def grants(self, path: PhasePath) -> bool:
        """Whether this run of a phase is read, at both of its edges: a first run, or one that there is time for."""
        return self.grants_first(path) or self.affords()

    def grants_first(self, path: PhasePath) -> bool:
        """Whether this is one of the first runs of its path, which are read regardless of the share. Counts it."""
        runs = self._runs.get(path, 0)
        if runs >= self._first_runs or not self._governor.within_limit or self._governor.others_read:
            return False
        if not self._is_within(self._first_share, self._first_advance_ns):
            return False
        return self._runs.put(path, runs + 1)

    def affords(self, part: float = 1.0, extra_ns: int = 0) -> bool:
        """Whether the readings so far have taken less than the share, or than this part of it, and the extra time."""
        governor = self._governor
        within = self._is_within(self._share * part, self._advance_ns + extra_ns)
        return within and governor.within_limit and not governor.others_read

    def spend(self, wall_ns: int) -> None:
        """Add the time that a reading took, in nanoseconds."""
        self._governor.spend(self, wall_ns)

    def _is_within(self, share: float, advance_ns: int) -> bool:
        return self.spent_ns <= advance_ns + share * (self._governor.now() - self._began_ns)
