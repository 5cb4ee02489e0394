"""What a memray capture adds up to for one phase: counters that stay exact while runs of it overlap and nest."""

from __future__ import annotations

from typing import Any, TypeAlias

from .ranges import Range

# A site: bytes asked for, how often, the stack's key, the tally that it belongs to; then, at the end, bytes still live.
Site: TypeAlias = list[Any]
ASKED, COUNT, KEY, TALLY, LIVE = range(5)


class Level:
    """How many bytes are live at once, and the most that ever were.

    Whether a mapping is of a file, and so no heap, is learnt later than the mapping itself. Until then it counts as
    heap, and what happens to it is logged with the peak of the stretch before, so that the peaks can be put right.
    """

    __slots__ = ("log", "now", "settled", "top")

    def __init__(self) -> None:
        self.now = 0
        self.top = 0  # since the log's last entry
        self.settled = 0  # before that
        self.log: list[tuple[int, Mapped, int]] = []

    @property
    def peak(self) -> int:
        """The most that was live at once, if nothing in the log is of a file."""
        return max([self.top, self.settled, *(top for top, _, _ in self.log)])

    def change(self, mapped: Mapped, size: int) -> None:
        """A mapping of unknown kind grew by this much, or shrank."""
        self.log.append((self.top, mapped, size))
        self.now += size
        self.top = self.now

    def settle(self) -> None:
        """The kind of everything in the log is known now."""
        files = 0
        for top, mapped, size in self.log:
            self.settled = max(self.settled, top - files)
            if mapped.file is not None:
                files += size
        self.log.clear()
        self.now -= files
        self.top -= files


class Tally:
    """All runs of the phase of one path."""

    __slots__ = ("ambient", "freed", "freed_later", "held", "own", "path", "runs", "sites", "whole", "whole_held")

    def __init__(self, path: str) -> None:
        self.path = path
        self.runs = 0
        self.sites: dict[Any, Site] = {}  # by the key of the stack
        self.ambient: dict[Any, Site] = {}  # the same for threads with no phase of their own
        self.own = Level()
        self.whole = Level()  # inner phases included
        self.freed = 0  # while one of its runs was the innermost
        self.held = 0  # at the ends of its runs
        self.whole_held = 0
        self.freed_later: dict[str, int] = {}  # of what its ended runs held, by the path of the phase that freed it


class Run:
    """One run of a phase. Blocks refer to the run that allocated them, so it lives as long as they do."""

    __slots__ = ("lineage", "live", "open", "outer", "tally", "top", "whole")

    def __init__(self, tally: Tally, parent: Run | None, outer: Run | None) -> None:
        self.tally = tally
        self.lineage: tuple[Run, ...] = (self, *(parent.lineage if parent is not None else ()))
        self.top = self.lineage[-1]
        self.outer = outer  # what its thread was in before
        self.open = True
        self.live = 0  # bytes of its own that nobody freed
        self.whole = 0  # with those of the runs inside it
        tally.runs += 1

    def close(self) -> None:
        """It ended: what it has not freed, it holds."""
        self.open = False
        self.tally.held += self.live
        self.tally.whole_held += self.whole

    def lose(self, size: int) -> None:
        """A block of its own is gone: from its counters, not from its tally's levels."""
        self.live -= size
        for run in self.lineage:
            run.whole -= size


class Mapped:
    """What one mmap call made: the owner of its ranges."""

    __slots__ = ("file", "run", "settled", "site", "size")

    def __init__(self, site: Site, run: Run, size: int) -> None:
        self.site = site
        self.run = run
        self.size = size  # when it was made
        self.settled = False  # whether its kind is known
        self.file: str | None = None  # the file that it maps

    def change(self, size: int) -> None:
        """Bytes were added, or unmapped (then `size` is negative)."""
        if self.file is not None:
            return
        run = self.run
        run.live += size
        levels = [run.tally.own]
        for around in run.lineage:
            around.whole += size
            levels.append(around.tally.whole)
        for level in levels:
            if self.settled:
                level.now += size
                level.top = max(level.top, level.now)
            else:
                level.change(self, size)

    def settle(self, ranges: list[Range], file: str | None) -> None:
        """What it maps is known now; the levels are settled by the caller, once for all mappings."""
        self.settled = True
        self.file = file
        if file is None:
            return
        size = sum(part.size for part in ranges)
        run = self.run
        run.live -= size
        if not run.open:
            run.tally.held -= size
        for around in run.lineage:
            around.whole -= size
            if not around.open:
                around.tally.whole_held -= size
