"""What a capture says of mapped memory, and what is only learnt later: whether a mapping is of a file."""

from __future__ import annotations

from bisect import bisect_right

from ..paths import PhasePath
from . import markers
from .ranges import RangeMap
from .tally import AT_PEAK, FALL, LIVE, Level, Run, Site

# The unit in which memory is mapped. It tells apart what no reading of the mappings found: what came and went between
# two of them, and everything in a capture that has none.
PAGE = 4096
UNKNOWN_FILE = "?"


class Mapped:
    """What one mmap call made: the owner of its ranges.

    Whether it is of a file, and so no heap, is learnt from a reading of the mappings that comes later. Until then it is
    taken for what its length says: whoever maps memory maps whole pages, whoever maps a file gives the file's length.
    """

    __slots__ = ("correction", "counted", "ends", "file", "left", "run", "settled", "site", "size")

    def __init__(self, site: Site, run: Run, size: int) -> None:
        self.site = site
        self.run = run
        self.size = size  # when it was made
        self.left = size  # of which so much is still mapped
        self.counted = size % PAGE == 0  # whether as memory
        self.correction = 0
        self.settled = False  # whether its kind is known
        self.file: str | None = None  # the file that it maps
        self.ends: list[tuple[Run, int]] = []  # of runs around it, while it was unsettled: what was left of it then
        for around in run.lineage:
            if around.open:
                if around.unsettled is None:
                    around.unsettled = {}
                around.unsettled[self] = None

    def change(self, size: int) -> None:
        """Bytes were added, or unmapped (then `size` is negative)."""
        if self.counted:
            self._count(size)
        tally = self.run.tally
        tally.own.change(self, size)
        for level in tally.wholes:
            level.change(self, size)

    def gone(self) -> None:
        """All of it is about to be unmapped: no reading will say what it was of, so what its length says stays."""
        self._know()
        tally = self.run.tally
        tally.own.forget()
        for level in tally.wholes:
            level.forget()

    def settle(self, file: str | None) -> None:
        """What it maps is known now; the caller settles the levels, all at once."""
        self._know()
        self.file = file
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


class MappedMemory:
    """All that is mapped.

    Attributes:
        was_read: whether the capture has a reading of the mappings.
    """

    def __init__(self) -> None:
        self._ranges = RangeMap()
        self._unsettled: dict[Mapped, None] = {}
        self._reading: set[markers.MappedRange] = set()
        self.was_read = False

    def add(self, address: int, size: int, site: Site, run: Run) -> None:
        """A stretch was mapped."""
        if size > 0:
            mapped = Mapped(site, run, size)
            self._ranges.add(address, size, mapped)
            self._unsettled[mapped] = None
            mapped.change(size)

    def remove(self, address: int, size: int, run: Run) -> None:
        """A stretch was unmapped in this run."""
        for part, lost in self._ranges.remove(address, size):
            mapped: Mapped = part.owner
            run.tally.freed += lost
            mapped.left -= lost
            if not mapped.left and not mapped.settled:
                del self._unsettled[mapped]
                mapped.gone()
            mapped.change(-lost)
            owner = mapped.run
            if not owner.open:
                later = owner.tally.freed_later
                later[run.tally.path] = later.get(run.tally.path, 0) + lost

    def touches(self, address: int, size: int) -> bool:
        """Whether any of a stretch is mapped."""
        return self._ranges.touches(address, size)

    def told(self, mapping: markers.MappedRange, there: bool) -> None:
        """A reading of the mappings found one that was not there before, or one no more."""
        (self._reading.add if there else self._reading.discard)(mapping)

    def was_told(self) -> None:
        """A reading is complete: what was not told until here is plain memory."""
        self.was_read = True
        self._settle()

    def finish(self) -> None:
        """No reading will follow: what is still unsettled is what its length says."""
        self._settle(last=True)

    def _settle(self, *, last: bool = False) -> None:
        if not self._unsettled:
            return
        first: dict[Mapped, int] = {}
        for part in self._ranges:
            if part.owner in self._unsettled:
                first.setdefault(part.owner, part.start)
        files = [] if last else sorted(mapping for mapping in self._reading if mapping.path is not None)
        starts = [mapping.start for mapping in files]
        levels: dict[int, Level] = {}
        for mapped in self._unsettled:
            file = _file_at(first[mapped], files, starts)
            if file is None and not mapped.counted and last:
                file = UNKNOWN_FILE
            mapped.settle(file)
            for level in (mapped.run.tally.own, *mapped.run.tally.wholes):
                levels[id(level)] = level
        for level in levels.values():
            level.settle()
        self._unsettled.clear()

    def file_backed(self) -> dict[PhasePath, dict[str, int]]:
        """Bytes still mapped from files, by phase path and file."""
        found: dict[PhasePath, dict[str, int]] = {}
        for part in self._ranges:
            mapped: Mapped = part.owner
            if mapped.file is not None:
                files = found.setdefault(mapped.run.tally.path, {})
                files[mapped.file] = files.get(mapped.file, 0) + part.size
        return found

    def reserved(self) -> dict[PhasePath, int]:
        """Bytes still mapped that nobody may read or write, by phase path, as last read from the mappings."""
        empty = sorted(mapping for mapping in self._reading if mapping.path is None)
        found: dict[PhasePath, int] = {}
        for part in self._ranges:
            size = sum(max(0, min(part.end, hole.end) - max(part.start, hole.start)) for hole in empty)
            if size and part.owner.file is None:
                path = part.owner.run.tally.path
                found[path] = found.get(path, 0) + size
        return found


def _file_at(address: int, files: list[markers.MappedRange], starts: list[int]) -> str | None:
    position = bisect_right(starts, address) - 1
    return files[position].path if position >= 0 and address < files[position].end else None
