"""Turns the tables of the sampled heap into the rows of a report."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from .. import results
from ..paths import PhasePath
from .frames import HybridFrame, PythonFrame
from .heap_file import OBJECT, HeapBlock, HeapFile, HeapPhase, HeapSite
from .heap_frames import HeapFrames
from .intervals import bounds_of_share
from .library_names import CPYTHON, library_of
from .stacks import make_readable, package_of_stack, requesting_library

_OWN_HOOKS = "/fwmemtrace/core/_compiled."


_LEAST_CALLS = 8
_LEAST_SAMPLES = 8
_LEAST_SPREAD = 0.25  # of the samples, in each half of the calls


class HeapResults(NamedTuple):
    """What the sampled heap of a process says.

    Attributes:
        rows: by phase path; `()` is what happened in no phase.
        notes: caveats for readers of the report.
    """

    rows: Mapping[PhasePath, results.Heap]
    notes: list[str]


class _PlaceKey(NamedTuple):
    """What a reader can tell sites by.

    Attributes:
        stack: its Python frames, innermost first.
        native: the C and C++ frames inside them, innermost first; none unless they were recorded.
        library: the library that requested the memory.
    """

    stack: tuple[PythonFrame, ...]
    native: tuple[HybridFrame, ...]
    library: str | None


class _Live:
    """The live samples of a place or phase."""

    __slots__ = ("bytes", "calls", "samples", "variance", "weight")

    def __init__(self) -> None:
        self.weight = self.variance = 0.0
        self.bytes = self.samples = 0
        self.calls: list[int] = []  # in which each sample was allocated

    def add(self, block: HeapBlock) -> None:
        self.weight += block.weight
        self.variance += block.variance
        self.bytes += block.size
        self.samples += 1
        self.calls.append(block.call)

    def grows(self, calls: int) -> bool:
        """Tell whether blocks of many calls are live, of early and of late ones: what calls leave behind grows.

        What a first call fills (a cache) is of early calls only, and what is about to be freed of the latest ones.

        Args:
            calls: of the phase.
        """
        late = sum(2 * call > calls for call in self.calls)
        spread = min(late, self.samples - late)
        return calls >= _LEAST_CALLS and self.samples >= _LEAST_SAMPLES and spread >= _LEAST_SPREAD * self.samples


class _Place:
    """The sites of a phase that a reader cannot tell apart: one stack by its lines and functions, and one library."""

    __slots__ = ("allocated", "at_peak", "library", "live", "native", "stack")

    def __init__(self, key: _PlaceKey) -> None:
        self.stack, self.native, self.library = key
        self.live = _Live()
        self.allocated = self.at_peak = 0.0

    def add_site(self, site: HeapSite) -> None:
        self.allocated += site.allocated
        self.at_peak += site.at_peak


class _Phase:
    """The live samples of a phase, and its places.

    Args:
        totals: of the phase.
        mean: bytes between two samples.
    """

    __slots__ = ("_mean", "live", "places", "totals")

    def __init__(self, totals: HeapPhase, mean: float) -> None:
        self.totals = totals
        self._mean = mean
        self.live = _Live()
        self.places: dict[_PlaceKey, _Place] = {}

    def place(self, key: _PlaceKey) -> _Place:
        if key not in self.places:
            self.places[key] = _Place(key)
        return self.places[key]

    def exact(self) -> int:
        """Return the bytes that it allocated."""
        return max(self.totals.allocated, self.live.bytes)

    def scale(self) -> float:
        """Return what makes its samples add up to the bytes that it allocated."""
        return self.exact() / self.totals.sampled if self.totals.sampled else 1.0

    def estimate(self, live: _Live) -> int:
        """Return the live bytes that samples stand for."""
        return max(live.bytes, round(live.weight * self.scale()))

    def bounds(self, live: _Live) -> tuple[int, int]:
        """Return the 95% confidence interval of live bytes."""
        rest, rest_variance = self.totals.sampled - live.weight, self.totals.sampled_variance - live.variance
        low, high = bounds_of_share(live.weight, live.variance, rest, rest_variance, self._mean)
        middle, exact = self.estimate(live), self.exact()
        return max(live.bytes, min(middle, round(low * exact))), max(middle, round(high * exact))

    def shown(self, place: _Place) -> results.HeapStackSample:
        """Return a place as a report has it."""
        low, high = self.bounds(place.live) if place.live.samples else (0, 0)
        stack = make_readable(place.stack, (*place.native, *((*frame, None) for frame in place.stack)))
        return results.HeapStackSample(
            live_bytes=self.estimate(place.live),
            live_low_bytes=low,
            live_high_bytes=high,
            allocated_bytes=round(place.allocated * self.scale()),
            at_peak_bytes=round(place.at_peak * self.scale()),
            samples=place.live.samples,
            from_calls=len(set(place.live.calls)),
            grows=place.live.grows(self.totals.calls),
            library=place.library,
            stack=[results.Frame(*frame) for frame in stack.frames],
            package=stack.package,
            caller=None if stack.caller is None else results.Frame(*stack.caller),
        )


def read_heap(data: bytes, name: str, top: int = 10) -> HeapResults:
    """Read the tables.

    Args:
        data: the contents of the file.
        name: of the file, for messages.
        top: how many stacks to show for each phase.

    Raises:
        CaptureError: if it is no file of this kind.
    """
    file = HeapFile(data, name)
    return HeapResults({phase.totals.path: _row(phase, top) for phase in _phases(file)}, _notes(file))


def read_stacks(data: bytes, name: str) -> Iterator[tuple[PhasePath, results.HeapStackSample]]:
    """Yield every stack of every phase.

    Args:
        data: the contents of the file.
        name: of the file, for messages.

    Raises:
        CaptureError: if it is no file of this kind.
    """
    for phase in _phases(HeapFile(data, name)):
        for place in phase.places.values():
            yield phase.totals.path, phase.shown(place)


def _phases(file: HeapFile) -> Iterator[_Phase]:
    """Yield the phases that allocated."""
    frames = HeapFrames(file)
    keys = {number: _key(file, site, frames) for number, site in file.sites.items()}
    phases = {number: _Phase(totals, file.mean) for number, totals in file.phases.items()}
    for number, site in file.sites.items():
        phases[site.phase].place(keys[number]).add_site(site)
    for block in file.blocks:
        phase = phases[file.sites[block.site].phase]
        phase.live.add(block)
        phase.place(keys[block.site]).live.add(block)
    return (phase for phase in phases.values() if phase.totals.allocated or phase.totals.samples)


def _row(phase: _Phase, top: int) -> results.Heap:
    totals = phase.totals
    places = list(phase.places.values())
    held = [place for place in places if place.live.samples]
    growing = [place for place in held if place.live.grows(totals.calls)]
    low, high = phase.bounds(phase.live)
    live = phase.estimate(phase.live)

    def largest(places: Iterable[_Place], size: Callable[[_Place], float]) -> list[results.HeapStackSample]:
        return [phase.shown(place) for place in heapq.nlargest(top, places, key=size)]

    return results.Heap(
        live_bytes=live,
        live_low_bytes=low,
        live_high_bytes=high,
        allocated_bytes=totals.allocated,
        peak_bytes=max(live, round(totals.peak * phase.scale())),
        samples=totals.samples,
        calls=totals.calls,
        top=largest(held, lambda place: place.live.weight),
        leak_candidates=largest(growing, lambda place: place.live.weight),
        at_peak=largest((place for place in places if place.at_peak > 0), lambda place: place.at_peak),
        by_package=_grouped(held, phase.scale(), lambda place: package_of_stack(place.stack)),
        by_library=_grouped(held, phase.scale(), lambda place: place.library or ""),
    )


def _grouped(places: Iterable[_Place], scale: float, group_of: Callable[[_Place], str]) -> dict[str, int]:
    sums: dict[str, float] = {}
    for place in places:
        name = group_of(place)
        sums[name] = sums.get(name, 0.0) + place.live.weight * scale
    return {name: round(size) for name, size in sorted(sums.items(), key=lambda item: -item[1])}


def _key(file: HeapFile, site: HeapSite, frames: HeapFrames) -> _PlaceKey:
    native = tuple(frames.of_addresses(site.native))
    library = requesting_library(native) if native else None
    return _PlaceKey(tuple(file.stack(site)), native, library or _library(file, site))


def _library(file: HeapFile, site: HeapSite) -> str | None:
    if site.kind == OBJECT:
        return CPYTHON
    library = file.library_at(site.caller)
    if library is None:
        return None
    # Python's allocators pass large blocks on, often in a jump that leaves the hook around them as the caller.
    return CPYTHON if _OWN_HOOKS in library.path else library_of(library.path)


def _notes(file: HeapFile) -> list[str]:
    notes = []
    if file.dropped:
        why = "the file of the tables could not grow; is the disk full?" if file.full else "the tables were full"
        notes.append(f"{file.dropped} samples are missing, because {why}")
    if file.foreign:
        notes.append(
            f"{file.foreign} calls of libraries lead to another tool, such as a memray tracker, and were not sampled"
        )
    if file.mean > file.first_mean:
        notes.append(
            f"the heap was so large that fewer samples were taken: one in {file.mean / 1024:,.0f} KiB at the end"
        )
    return notes
