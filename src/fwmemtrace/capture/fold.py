"""Splits the records of a memray capture by phase.

Pure: it takes plain tuples, as memray makes them, and a callable that identifies the stacks of markers
(`fwmemtrace.capture.markers`). Memory grows with live blocks and distinct stacks, not with records.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import length_hint
from typing import Any, Protocol

from ..paths import PhasePath
from . import markers
from .mapped import MappedMemory
from .native_records import FREE, MMAP, MUNMAP, PYMALLOC_FREE, NativeRecord, StackKey
from .runs import PAGE, PhaseRun
from .tally import ALLOCATED, COUNT, Site, new_site
from .thread_phases import RunEnded, ThreadPhases


class PhaseFold(Protocol):
    """What a fold has found so far; see `CaptureFold`."""

    @property
    def phases(self) -> ThreadPhases: ...

    @property
    def mapped(self) -> MappedMemory: ...

    def live_blocks(self) -> dict[int, int]: ...


class CaptureFold:
    """Takes the records of one capture in their order. What it has so far can be read at any time between two batches.

    Args:
        marker_of: maps a stack's key to the marker that its innermost frame encodes, None for an ordinary stack. It is
            called once for each key, and only for stacks that allocated a block of a marker's size.
        own_thread: memray's number of the thread that threads without a phase are counted with, unless a marker names
            it.
        ended: called at the end of each run with its path, the bytes that all runs of that path hold then, and those
            that this one holds, both with the runs inside them.
        native: whether C and C++ frames distinguish stacks too.

    Attributes:
        phases: the runs of phases so far, and their tallies.
        mapped: what is mapped.
        markers: how many markers there were.
        marker_bytes: their size: with the tallies' bytes it makes memray's total.
    """

    def __init__(
        self,
        marker_of: Callable[[StackKey], markers.Marker | None],
        own_thread: int,
        ended: RunEnded | None = None,
        *,
        native: bool = False,
    ) -> None:
        self._marker_of = marker_of
        self._known_markers: dict[StackKey, markers.Marker | None] = {}
        self._native = native
        self._live: dict[int, tuple[int, Site, PhaseRun]] = {}  # blocks by address
        self.mapped = MappedMemory()
        self.phases = ThreadPhases(own_thread, self.mapped, ended)
        self.markers = 0
        self.marker_bytes = 0

    def feed(self, records: list[NativeRecord]) -> None:
        """Take some more records; the list may be changed.

        One loop on local variables: it runs once for each of a hundred million records.
        """
        live = self._live
        pop = live.pop
        smallest, largest = markers.SMALLEST, markers.LARGEST
        known_markers = self._known_markers
        by_native = self._native
        enter = self.phases.run_of
        key: Any
        site: Any
        sites: Any
        thread: int | None = None
        run = self.phases.outside
        tally = run.tally
        level = tally.own
        sites = tally.sites
        get = sites.get
        start = now = top = peak = fall = freed = moved = 0
        rows = iter(records)
        for tid, address, size, allocator, stack, _, native, generation in rows:
            if tid != thread:
                if thread is not None:
                    run.add_stretch(start, now, top, freed, moved, fall)
                thread = tid
                run, ambient = enter(tid)
                tally = run.tally
                level = tally.own
                sites = tally.ambient if ambient else tally.sites
                get = sites.get
                start = now = top = level.now
                peak, fall = level.top, level.fall
                freed = moved = 0
            if allocator == FREE or allocator == PYMALLOC_FREE:  # noqa: SIM109 - a tuple takes longer
                entry = pop(address, None)
                if entry is None:
                    continue
                size, site, owner = entry
                freed += size
                if owner is run:
                    if now == peak:
                        fall += 1
                    if site[3] != fall:
                        site[4] = site[2]
                        site[3] = fall
                    site[2] -= size
                    now -= size
                elif owner.tally is tally:
                    if now == peak:
                        fall += 1
                    if site[3] != fall:
                        site[4] = site[2]
                        site[3] = fall
                    site[2] -= size
                    now -= size
                    moved += size
                    owner.subtract(size)
                    if not owner.open:
                        tally.freed_later[tally.path] = tally.freed_later.get(tally.path, 0) + size
                elif owner.tally.root is not tally.root:
                    _free_elsewhere(owner, site, size, tally.path)
                else:
                    # A level that both are part of has to see this free in its place among the others.
                    run.add_stretch(start, now, top, freed, moved, fall)
                    _free_elsewhere(owner, site, size, tally.path)
                    start = now = top = level.now
                    peak, fall = level.top, level.fall
                    freed = moved = 0
                continue
            key = (stack, native, generation) if by_native else stack
            if allocator >= MMAP:
                if allocator == MMAP and self._is_brief(records, len(records) - length_hint(rows), tid, address, size):
                    address = ~address  # from here on a block
                else:
                    run.add_stretch(start, now, top, freed, moved, fall)
                    if allocator == MUNMAP:
                        self.mapped.remove(address, size, run)
                    elif smallest <= size <= largest and (marker := self._look_up(key)) is not None:
                        self._apply(marker, tid, size)
                        thread = None  # it may be in another run now
                        continue
                    else:
                        self._map(address, size, sites, key, run)
                    start = now = top = level.now
                    peak, fall = level.top, level.fall
                    freed = moved = 0
                    continue
            elif smallest <= size <= largest:
                marker = known_markers[key] if key in known_markers else self._look_up(key)
                if marker is not None:
                    run.add_stretch(start, now, top, freed, moved, fall)
                    self._overwrite(address)
                    self._apply(marker, tid, size)
                    thread = None
                    continue
            if address in live:
                # memray missed its free, and forgets the older block here too.
                run.add_stretch(start, now, top, freed, moved, fall)
                self._overwrite(address)
                start = now = top = level.now
                peak, fall = level.top, level.fall
                freed = moved = 0
            site = get(key)
            if site is None:
                site = sites[key] = [size, 1, size, fall, 0, key]
            else:
                site[0] += size
                site[1] += 1
                if site[3] != fall:
                    site[4] = site[2]
                    site[3] = fall
                site[2] += size
            live[address] = (size, site, run)
            now += size
            if now > top:
                top = now
                if now > peak:
                    peak = now
        if thread is not None:
            run.add_stretch(start, now, top, freed, moved, fall)

    def live_blocks(self) -> dict[int, int]:
        """Return how many blocks and mappings are live, those of files left out, by the identity of the site."""
        found: dict[int, int] = {}
        for _, site, _ in self._live.values():
            found[id(site)] = found.get(id(site), 0) + 1
        for site in self.mapped.live_sites():
            found[id(site)] = found.get(id(site), 0) + 1
        return found

    def release(self) -> None:
        """Free all blocks and sites at once; what was counted of phases stays."""
        self._live.clear()
        self.phases.release()

    # -- what is rare ------------------------------------------------------------------------------------------------

    def _apply(self, marker: markers.Marker, thread: int, size: int) -> None:
        self.markers += 1
        self.marker_bytes += size
        self.phases.apply(marker, thread, size)

    def _look_up(self, key: StackKey) -> markers.Marker | None:
        if key not in self._known_markers:
            self._known_markers[key] = self._marker_of(key)
        return self._known_markers[key]

    def _overwrite(self, address: int) -> None:
        entry = self._live.pop(address, None)
        if entry is not None:
            size, site, owner = entry
            owner.free(site, size)

    def _map(self, address: int, size: int, sites: dict[StackKey, Site], key: StackKey, run: PhaseRun) -> None:
        site = sites.get(key)
        if site is None:
            site = sites[key] = new_site(key)
        site[ALLOCATED] += size
        site[COUNT] += 1
        self.mapped.add(address, size, site, run)

    def _is_brief(self, records: list[NativeRecord], place: int, tid: int, address: int, size: int) -> bool:
        """Return whether the next record undoes a mapping; it then becomes a free at an address of no block.

        The interpreter maps memory for deep calls, and unmaps it, again and again. That costs a tenth as a block.
        """
        if place == len(records) or size % PAGE or records[place][:4] != (tid, address, size, MUNMAP):
            return False
        if self.mapped.touches(address, size):
            return False
        records[place] = (tid, ~address, 0, FREE, 0, 1, 0, 0)
        return True


def _free_elsewhere(owner: PhaseRun, site: Site, size: int, path: PhasePath) -> None:
    """Free a block of another phase in the phase of that path."""
    owner.free(site, size)
    if not owner.open:
        later = owner.tally.freed_later
        later[path] = later.get(path, 0) + size
