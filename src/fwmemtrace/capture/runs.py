"""Runs of phases and the mappings made in them; a mapping corrects ended runs once its kind is known."""

from __future__ import annotations

from .counters import RunCounters
from .tally import AT_PEAK, FALL, LIVE, Site, Tally

# The unit in which memory is mapped. Its multiples are taken for memory where no reading of /proc/self/maps tells: for
# what came and went between two readings, and in captures without any.
PAGE = 4096
UNKNOWN_FILE = "?"


class PhaseRun(RunCounters):
    """One run of a phase. Blocks refer to the run that allocated them, so it lives as long as they do."""

    __slots__ = ("lineage", "outer", "unsettled")
    tally: Tally

    def __init__(self, tally: Tally, parent: PhaseRun | None, outer: PhaseRun | None) -> None:
        super().__init__(tally, parent)
        self.lineage: tuple[PhaseRun, ...] = (self, *(parent.lineage if parent is not None else ()))
        self.outer = outer  # what its thread was in before
        # Mappings of unknown kind made in it, or in a run inside it; None for none yet.
        self.unsettled: dict[TracedMapping, None] | None = None
        tally.runs += 1

    def close(self) -> None:
        """End the run: it holds what is not freed now."""
        self.open = False
        self.tally.held += self.live
        self.tally.whole_held += self.whole
        for mapping in self.unsettled or ():
            mapping.ends.append((self, mapping.left))
        self.unsettled = None

    def add_stretch(self, start: int, now: int, top: int, freed: int, moved: int, fall: int) -> None:
        """Take over what records of one thread, one after another, did to the phase.

        Args:
            start: the phase's own level before them.
            now: the level after them.
            top: the highest level among them.
            freed: bytes that they freed, of any phase.
            moved: of these, bytes allocated in other runs of the same phase.
            fall: the number of the level's latest fall.
        """
        tally = self.tally
        tally.freed += freed
        level = tally.own
        level.now = now
        level.fall = fall
        if top > level.local:
            level.local = top
            if top > level.top:
                level.top = top
        change = now - start
        highest = top - start
        self.live += change + moved
        for around in self.lineage:
            around.whole += change + moved
        for level in tally.wholes:
            reached = level.now + highest
            if reached > level.local:
                level.local = reached
                if reached > level.top:
                    level.top = reached
            level.now += change

    def subtract(self, size: int) -> None:
        """Take off a block that another run of the same phase freed; the phase's levels are the caller's business."""
        self.live -= size
        for run in self.lineage:
            run.whole -= size

    def free(self, site: Site, size: int) -> None:
        """Free a block of this run in another one. This is frequent, so it makes no further call."""
        tally = self.tally
        own = tally.own
        if own.now == own.top:
            own.fall += 1
        if site[FALL] != own.fall:
            site[AT_PEAK] = site[LIVE]
            site[FALL] = own.fall
        site[LIVE] -= size
        own.now -= size
        for level in tally.wholes:
            level.now -= size
        self.live -= size
        for run in self.lineage:
            run.whole -= size


class TracedMapping:
    """What one call of mmap mapped, or is left of it.

    memray does not record whether a mapping is of a file, and so no memory of the heap. A later reading of
    /proc/self/maps tells; until then its length is the guess: memory is mapped in whole pages, a file with its own
    length.
    """

    __slots__ = ("correction", "counted", "ends", "known_file", "left", "run", "settled", "site", "size")

    def __init__(self, site: Site, run: PhaseRun, size: int) -> None:
        self.site = site
        self.run = run
        self.size = size  # when it was made
        self.left = size  # of which still mapped
        self.counted = size % PAGE == 0  # as memory
        self.correction = 0
        self.settled = False
        self.known_file: str | None = None
        self.ends: list[
            tuple[PhaseRun, int]
        ] = []  # runs that ended while it was unsettled, and what was left of it then
        for around in run.lineage:
            if around.open:
                if around.unsettled is None:
                    around.unsettled = {}
                around.unsettled[self] = None

    @property
    def file(self) -> str | None:
        """The path of the file that it maps, `UNKNOWN_FILE` where that is only guessed; None for memory."""
        return None if self.counted else self.known_file or UNKNOWN_FILE

    def change(self, size: int) -> None:
        """Add bytes, negative where they are unmapped."""
        if self.counted:
            self._count(size)
        tally = self.run.tally
        tally.own.change(self, size)
        for level in tally.wholes:
            level.change(self, size)

    def gone(self) -> None:
        """Make the guess final: all of it is about to be unmapped, and no reading will find it."""
        self._know()
        tally = self.run.tally
        tally.own.forget()
        for level in tally.wholes:
            level.forget()

    def settle(self, file: str | None) -> None:
        """Take what it maps from a reading. The caller settles the levels, once for all mappings."""
        self._know()
        self.known_file = file
        self.correction = 0 if self.counted == (file is None) else -1 if self.counted else 1
        self.counted = file is None
        if self.correction == 0:
            return
        self._count(self.left * self.correction)
        for run, left in self.ends:
            run.tally.whole_held += left * self.correction
            if run is self.run:
                run.tally.held += left * self.correction

    def _know(self) -> None:
        self.settled = True
        for around in self.run.lineage:
            if around.unsettled is not None:
                around.unsettled.pop(self, None)

    def _count(self, size: int) -> None:
        run = self.run
        own = run.tally.own
        if size < 0 and own.now == own.top:
            own.fall += 1
        site = self.site
        if site[FALL] != own.fall:
            site[AT_PEAK] = site[LIVE]
            site[FALL] = own.fall
        site[LIVE] += size
        run.live += size
        for around in run.lineage:
            around.whole += size
