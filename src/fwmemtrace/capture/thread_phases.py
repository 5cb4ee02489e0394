"""Which phase each thread is in, by the markers of a capture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from ..paths import OUTSIDE, PhasePath, encodable, read
from .mapped import MappedMemory
from .markers import SIZES, Marker, low_part, read_row
from .runs import PhaseRun
from .tally import SiteDict, Sites, Tally

# Called at the end of each run with its path, the bytes that all runs of that path hold then, and those that this one
# holds; both with the runs inside them.
RunEnded: TypeAlias = Callable[[PhasePath, int, int], None]


class ThreadPhases:
    """Follows runs of phases as they begin, end, and continue in other threads.

    Args:
        own_thread: memray's number of the thread that threads without a phase are counted with, until a marker names
            it.
        mapped: takes the markers about mappings.
        ended: called at the end of each run.
        table: makes an empty table for the sites of a tally.

    Attributes:
        tallies: by phase path.
        outside: the run of what happens in no phase.
        session_open: whether a session began in the capture and did not end.
    """

    def __init__(
        self, own_thread: int, mapped: MappedMemory, ended: RunEnded | None, table: Callable[[], Sites] = SiteDict
    ) -> None:
        self._table = table
        self._own_thread = own_thread
        self._mapped = mapped
        self._ended = ended
        self.tallies: dict[PhasePath, Tally] = {}
        self.outside = PhaseRun(self._tally(OUTSIDE), None, None)
        self.session_open = False
        self._threads: dict[int, PhaseRun] = {}
        self._open: dict[tuple[PhasePath, int], PhaseRun] = {}  # by path and slot
        self._spelled: dict[int, list[int]] = {}  # half bytes of the next marker's text, by thread

    def run_of(self, thread: int) -> tuple[PhaseRun, bool]:
        """Return the run that a thread's allocations count toward, and whether the thread has no phase of its own."""
        run = self._current(thread)
        if run is not None:
            return run, False
        if thread == self._own_thread:
            return self.outside, False
        return self._current(self._own_thread) or self.outside, True

    def _current(self, thread: int) -> PhaseRun | None:
        """Return the open run that a thread is in; None if it has none of its own."""
        latest = run = self._threads.get(thread)
        while run is not None and not run.open:
            run = run.outer
        if run is not latest:  # so that later searches skip the closed ones, which can then be freed
            if run is None:
                del self._threads[thread]
            else:
                self._threads[thread] = run
        return run

    def open_runs(self) -> Iterable[PhaseRun]:
        """Return the runs that have not ended."""
        return (*self._open.values(), self.outside)

    def release(self) -> None:
        """Free all sites at once; the other figures of phases stay.

        Runs and tallies refer to each other, so that only the collector would find their millions of sites.
        """
        for tally in self.tallies.values():
            tally.sites.clear()
            tally.ambient.clear()

    def apply(self, marker: Marker, thread: int, size: int) -> None:
        """Follow a marker that a thread left, as a block of that size."""
        word, high, text = marker
        if word == "spell":
            self._spelled.setdefault(thread, []).append(low_part(size))
        elif word in ("begin", "end", "switch"):
            names = read(self._take_spelled(thread) if text is None else text)
            path = tuple(map(encodable, names))  # as the trace file has them
            self._edge(word, path, high * SIZES + low_part(size), thread)
        elif word == "home":
            self._threads.pop(thread, None)
        elif word == "away":
            self._threads[thread] = self.outside
        elif word == "own":
            self._own_thread = thread
            self.session_open = True
        elif word == "over":
            self.session_open = False
        elif word in ("maps+", "maps-"):
            mapping = read_row(self._take_spelled(thread) if text is None else text)
            (self._mapped.mapping_seen if word == "maps+" else self._mapped.mapping_gone)(mapping)
        elif word == "maps!":
            self._mapped.reading_complete()

    def _edge(self, word: str, path: PhasePath, slot: int, thread: int) -> None:
        if word == "end":
            run = self._open.pop((path, slot), None)
            if run is not None:
                run.close()
                if self._ended is not None:
                    self._ended(path, run.tally.whole.now, run.whole)
            return
        run = self._open.get((path, slot))
        if word == "begin" or run is None:
            if run is not None:  # its end is missing from the capture
                run.close()
            run = PhaseRun(self._tally(path), self._parent(path, thread), self._current(thread))
            self._open[path, slot] = run
        self._threads[thread] = run

    def _parent(self, path: PhasePath, thread: int) -> PhaseRun | None:
        """Return the run around a new one: that of its thread, or the latest open one of the next shorter path."""
        around = self._current(thread)
        while around is not None and not (around.open and _is_around(around.tally.path, path)):
            around = around.outer
        shorter = path[:-1]
        while shorter and (around is None or len(shorter) > len(around.tally.path)):
            for run in reversed(self._open.values()):
                if run.tally.path == shorter:
                    return run
            shorter = shorter[:-1]
        return around

    def _take_spelled(self, thread: int) -> str:
        halves = self._spelled.pop(thread, [])
        whole = bytes(high << 4 | low for high, low in zip(halves[::2], halves[1::2], strict=False))
        return whole.decode("utf-8", "surrogatepass")

    def _tally(self, path: PhasePath) -> Tally:
        tally = self.tallies.get(path)
        if tally is None:
            around = path[:-1]
            tally = self.tallies[path] = Tally(path, self._tally(around) if around else None, self._table)
        return tally


def _is_around(outer: PhasePath, path: PhasePath) -> bool:
    return bool(outer) and len(outer) < len(path) and path[: len(outer)] == outer
