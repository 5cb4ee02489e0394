"""Cuts the records of a memray capture by phase.

Pure: it is fed plain tuples, as memray makes them, and told through a callable which stacks are those of marks
(`fwmemtrace.capture.markers`). What it keeps grows with live blocks and distinct stacks, not with records.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import length_hint
from typing import Any, TypeAlias

from ..paths import OUTSIDE, PhasePath, read
from . import markers
from .mapped import PAGE, MappedMemory
from .tally import ASKED, AT_PEAK, COUNT, FALL, LIVE, Run, Site, Tally, new_site

# memray's numbers of allocators (memray.AllocatorType).
PYMALLOC_FREE, FREE, MMAP, MUNMAP = 1, 5, 14, 15

# Thread, address, size, allocator, Python stack, number of allocations, native stack, generation of its libraries.
NativeRecord: TypeAlias = tuple[int, int, int, int, Any, int, int, int]

# Told of each run's end: its path, what all runs of that path hold then, what this one holds; bytes.
RunEnded: TypeAlias = Callable[[PhasePath, int, int], None]


class CaptureFold:
    """Takes the records of one capture in their order.

    Args:
        read_mark: says what mark a stack of that key is of, None for an ordinary one. It is asked once a key, and only
            about stacks that allocated a block of a mark's size.
        ended: told of each run's end: its path, what all runs of that path hold then with those inside them, and what
            this one holds, in bytes.
        own_thread: memray's number of the thread that threads without a phase are counted with, unless a mark says it.
        native: whether stacks are told apart by their native part too. The key of a stack is then a tuple of its three
            numbers, else the Python stack's number alone.

    Attributes:
        tallies: by phase path.
        mapped: what is mapped.
        marks: how many marks there were.
        marks_bytes: their bytes: with those of the tallies they make memray's total.
        cut_off: whether a session's begin is in it, but not its end.
    """

    def __init__(
        self,
        read_mark: Callable[[Any], markers.Marker | None],
        own_thread: int,
        ended: RunEnded | None = None,
        *,
        native: bool = False,
    ) -> None:
        self._read_mark = read_mark
        self._ended = ended
        self._known_marks: dict[Any, markers.Marker | None] = {}
        self._own = own_thread
        self._native = native
        self.tallies: dict[PhasePath, Tally] = {}
        self._outside = Run(self._tally(OUTSIDE), None, None)
        self._threads: dict[int, Run] = {}
        self._open: dict[tuple[PhasePath, int], Run] = {}
        self._spelled: dict[int, list[int]] = {}
        self._live: dict[int, tuple[int, Site, Run]] = {}
        self.mapped = MappedMemory()
        self.marks = 0
        self.marks_bytes = 0
        self.cut_off = False

    def feed(self, records: list[NativeRecord]) -> None:
        """Take some more records; the list may be changed.

        One loop on local variables: it runs once for each of a hundred million records.
        """
        live = self._live
        pop = live.pop
        smallest, largest = markers.SMALLEST, markers.LARGEST
        known_marks = self._known_marks
        by_native = self._native
        thread: int | None = None
        run = self._outside
        tally = run.tally
        level = tally.own
        sites = tally.sites
        get = sites.get
        start = now = top = peak = fall = freed = moved = 0
        key: Any
        site: Any
        rows = iter(records)
        for tid, address, size, allocator, stack, _, native, generation in rows:
            if tid != thread:
                if thread is not None:
                    self._leave(run, start, now, top, freed, moved, fall)
                thread = tid
                run, ambient = self._enter(tid)
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
                    owner.lose(size)
                    if not owner.open:
                        tally.freed_later[tally.path] = tally.freed_later.get(tally.path, 0) + size
                elif owner.tally.root is not tally.root:
                    self._free_elsewhere(owner, site, size, tally.path)
                else:
                    # A level that both are part of must see this free in its place among the others.
                    self._leave(run, start, now, top, freed, moved, fall)
                    self._free_elsewhere(owner, site, size, tally.path)
                    start = now = top = level.now
                    peak, fall = level.top, level.fall
                    freed = moved = 0
                continue
            key = (stack, native, generation) if by_native else stack
            if allocator >= MMAP:
                if allocator == MMAP and self._is_brief(records, len(records) - length_hint(rows), tid, address, size):
                    address = ~address  # from here on a block
                else:
                    self._leave(run, start, now, top, freed, moved, fall)
                    if allocator == MUNMAP:
                        self.mapped.remove(address, size, run)
                    elif smallest <= size <= largest and (mark := self._look_up(key)) is not None:
                        self._apply(mark, tid, size)
                        thread = None  # it may be in another run now
                        continue
                    else:
                        self._map(address, size, sites, key, run)
                    start = now = top = level.now
                    peak, fall = level.top, level.fall
                    freed = moved = 0
                    continue
            elif smallest <= size <= largest:
                mark = known_marks[key] if key in known_marks else self._look_up(key)
                if mark is not None:
                    self._leave(run, start, now, top, freed, moved, fall)
                    self._overwrite(address)
                    self._apply(mark, tid, size)
                    thread = None
                    continue
            if address in live:
                # Its free went unseen. memray forgets the older block here too.
                self._leave(run, start, now, top, freed, moved, fall)
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
            self._leave(run, start, now, top, freed, moved, fall)

    def finish(self) -> None:
        """No record will follow: runs that are open end here."""
        self.mapped.finish()
        for run in self._open.values():
            run.close()
        self._open.clear()
        self._outside.close()
        for tally in self.tallies.values():
            tally.own.fall += tally.own.now == tally.own.top

    def let_go(self) -> None:
        """Give all blocks and sites back at once; what was counted of phases stays.

        Runs and tallies refer to themselves, so that only the collector would find their millions of blocks and sites.
        """
        self._live.clear()
        for tally in self.tallies.values():
            tally.sites.clear()
            tally.ambient.clear()

    # -- where a thread is -------------------------------------------------------------------------------------------

    def _enter(self, tid: int) -> tuple[Run, bool]:
        """The run that a thread's records count toward, and whether that is somebody else's."""
        run = self._threads.get(tid)
        while run is not None and not run.open:
            run = run.outer
        if run is not None:
            return run, False
        if tid == self._own:
            return self._outside, False
        run = self._threads.get(self._own)
        while run is not None and not run.open:
            run = run.outer
        return (self._outside if run is None else run), True

    def _leave(self, run: Run, start: int, now: int, top: int, freed: int, moved: int, fall: int) -> None:
        """Bring what a stretch of records of one thread did to where it is kept."""
        tally = run.tally
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
        run.live += change + moved
        for around in run.lineage:
            around.whole += change + moved
        for level in tally.wholes:
            reached = level.now + highest
            if reached > level.local:
                level.local = reached
                if reached > level.top:
                    level.top = reached
            level.now += change

    def _apply(self, mark: markers.Marker, tid: int, size: int) -> None:
        self.marks += 1
        self.marks_bytes += size
        word, high, text = mark
        if word == "spell":
            self._spelled.setdefault(tid, []).append(size - markers.SMALLEST)
        elif word in ("begin", "end", "switch"):
            path = read(self._take_spelled(tid) if text is None else text)
            slot = high * markers.SIZES + size - markers.SMALLEST
            self._edge(word, path, slot, tid)
        elif word == "home":
            self._threads.pop(tid, None)
        elif word == "away":
            self._threads[tid] = self._outside
        elif word == "own":
            self._own = tid
            self.cut_off = True
        elif word == "over":
            self.cut_off = False
        elif word in ("maps+", "maps-"):
            self.mapped.told(markers.read_row(self._take_spelled(tid) if text is None else text), word == "maps+")
        elif word == "maps!":
            self.mapped.was_told()

    def _edge(self, word: str, path: PhasePath, slot: int, tid: int) -> None:
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
            run = self._open[path, slot] = Run(self._tally(path), self._parent(path, tid), self._threads.get(tid))
        self._threads[tid] = run

    def _parent(self, path: PhasePath, tid: int) -> Run | None:
        """The run that a new one is inside: its thread's, or else the latest open one of the next shorter path."""
        around = self._threads.get(tid)
        while around is not None and not (around.open and _is_around(around.tally.path, path)):
            around = around.outer
        shorter = path[:-1]
        while shorter and (around is None or len(shorter) > len(around.tally.path)):
            for run in reversed(self._open.values()):
                if run.tally.path == shorter:
                    return run
            shorter = shorter[:-1]
        return around

    def _take_spelled(self, tid: int) -> str:
        halves = self._spelled.pop(tid, [])
        whole = bytes(high << 4 | low for high, low in zip(halves[::2], halves[1::2], strict=False))
        return whole.decode("utf-8", "surrogatepass")

    def _look_up(self, key: Any) -> markers.Marker | None:
        if key not in self._known_marks:
            self._known_marks[key] = self._read_mark(key)
        return self._known_marks[key]

    def _tally(self, path: PhasePath) -> Tally:
        tally = self.tallies.get(path)
        if tally is None:
            around = path[:-1]
            tally = self.tallies[path] = Tally(path, self._tally(around) if around else None)
        return tally

    # -- what is rare ------------------------------------------------------------------------------------------------

    def _free_elsewhere(self, owner: Run, site: Site, size: int, path: PhasePath) -> None:
        """A block of another phase was freed in the phase of that path."""
        self._lose(owner, site, size)
        if not owner.open:
            later = owner.tally.freed_later
            later[path] = later.get(path, 0) + size

    def _overwrite(self, address: int) -> None:
        entry = self._live.pop(address, None)
        if entry is not None:
            size, site, owner = entry
            self._lose(owner, site, size)

    @staticmethod
    def _lose(owner: Run, site: Site, size: int) -> None:
        """A block of another run is gone. It happens a lot, so there is no further call in it."""
        tally = owner.tally
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
        owner.live -= size
        for run in owner.lineage:
            run.whole -= size

    def _map(self, address: int, size: int, sites: dict[Any, Site], key: Any, run: Run) -> None:
        site = sites.get(key)
        if site is None:
            site = sites[key] = new_site(key)
        site[ASKED] += size
        site[COUNT] += 1
        self.mapped.add(address, size, site, run)

    def _is_brief(self, records: list[NativeRecord], place: int, tid: int, address: int, size: int) -> bool:
        """Whether the next record undoes a mapping; that is made the free of a block then, at an address of no block.

        The interpreter maps memory for deep calls, and unmaps it, again and again. That costs a tenth as a block.
        """
        if place == len(records) or size % PAGE or records[place][:4] != (tid, address, size, MUNMAP):
            return False
        if self.mapped.touches(address, size):
            return False
        records[place] = (tid, ~address, 0, FREE, 0, 1, 0, 0)
        return True


def _is_around(outer: PhasePath, path: PhasePath) -> bool:
    return bool(outer) and len(outer) < len(path) and path[: len(outer)] == outer
