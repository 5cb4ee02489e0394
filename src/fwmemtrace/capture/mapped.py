"""The memory and files that a process has mapped, as a capture shows them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from ..paths import PhasePath
from .level import Level
from .markers import MappedRange
from .ranges import RangeMap
from .runs import PhaseRun, TracedMapping
from .tally import Site


class MappedMemory:
    """All mappings of a process.

    Attributes:
        was_read: whether the capture has a reading of /proc/self/maps.
    """

    def __init__(self) -> None:
        self._ranges = RangeMap()
        self._unsettled: dict[TracedMapping, None] = {}
        self._reading: set[MappedRange] = set()
        self.was_read = False

    def add(self, address: int, size: int, site: Site, run: PhaseRun) -> None:
        """Map a stretch."""
        if size > 0:
            mapping = TracedMapping(site, run, size)
            self._ranges.add(address, size, mapping)
            self._unsettled[mapping] = None
            mapping.change(size)

    def remove(self, address: int, size: int, run: PhaseRun) -> None:
        """Unmap a stretch; the call was made in this run."""
        for part, lost in self._ranges.remove(address, size):
            mapping: TracedMapping = part.owner
            run.tally.freed += lost
            mapping.left -= lost
            if not mapping.left and not mapping.settled:
                del self._unsettled[mapping]
                mapping.gone()
            mapping.change(-lost)
            owner = mapping.run
            if not owner.open:
                later = owner.tally.freed_later
                later[run.tally.path] = later.get(run.tally.path, 0) + lost

    def touches(self, address: int, size: int) -> bool:
        """Return whether any byte of a stretch is mapped."""
        return self._ranges.touches(address, size)

    def mapping_seen(self, mapping: MappedRange) -> None:
        """Note a mapping that a reading of /proc/self/maps found and the one before did not."""
        self._reading.add(mapping)

    def mapping_gone(self, mapping: MappedRange) -> None:
        """Note a mapping that a reading no longer found."""
        self._reading.discard(mapping)

    def reading_complete(self) -> None:
        """Settle the kind of every mapping: what the reading did not name is plain memory."""
        self.was_read = True
        if not self._unsettled:
            return
        first: dict[TracedMapping, int] = {}
        for part in self._ranges:
            if part.owner in self._unsettled:
                first.setdefault(part.owner, part.start)
        files = sorted(mapping for mapping in self._reading if mapping.path is not None)
        starts = [mapping.start for mapping in files]
        levels: dict[int, Level] = {}
        for mapping in self._unsettled:
            mapping.settle(_file_at(first[mapping], files, starts))
            for level in (mapping.run.tally.own, *mapping.run.tally.wholes):
                levels[id(level)] = level
        for level in levels.values():
            level.settle()
        self._unsettled.clear()

    def file_backed(self) -> Iterator[tuple[TracedMapping, int]]:
        """Yield each mapping of a file that is still there, with its bytes; one that was split comes in its pieces."""
        for part in self._ranges:
            if part.owner.file is not None:
                yield part.owner, part.size

    def live_sites(self) -> Iterator[Site]:
        """Yield the site of each mapping that is still there and of no file; one that was split comes once."""
        owners = {id(part.owner): part.owner for part in self._ranges if part.owner.file is None}
        for owner in owners.values():
            yield owner.site

    def reserved(self) -> dict[PhasePath, int]:
        """Return the mapped bytes that may not be touched (`PROT_NONE`), by phase, as of the latest reading."""
        untouchable = sorted(mapping for mapping in self._reading if mapping.path is None)
        found: dict[PhasePath, int] = {}
        for part in self._ranges:
            size = sum(max(0, min(part.end, other.end) - max(part.start, other.start)) for other in untouchable)
            if size and part.owner.file is None:
                path = part.owner.run.tally.path
                found[path] = found.get(path, 0) + size
        return found


def _file_at(address: int, files: list[MappedRange], starts: list[int]) -> str | None:
    position = bisect_right(starts, address) - 1
    return files[position].path if position >= 0 and address < files[position].end else None
