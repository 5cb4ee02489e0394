"""The largest stacks of a capture, as many as a page can show: one with native traces has half a million."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, starmap
from operator import itemgetter

import msgspec

from .. import results
from ..paths import PhasePath
from .fold import PhaseFold
from .frames import HybridFrame
from .native_records import StackKey
from .tally import ALLOCATED, COUNT, KEY, LIVE, Site, SiteTotals, Tally

# Live bytes, bytes at the phase's peak, bytes allocated, allocations, and bytes freed by the end of the capture.
Figures = tuple[int, int, int, int, int]


class SizedStack(msgspec.Struct, array_like=True):
    """What one stack allocated in one phase, or all stacks that are not among the largest.

    Attributes:
        phase: the path of the phase.
        figures: see `Figures`.
        stacks: how many stacks these are.
        frames: numbers of its frames in `LargestStacks.frames`, innermost first; None for several stacks.
    """

    phase: PhasePath
    figures: Figures
    stacks: int
    frames: list[int] | None


class LargestStacks(msgspec.Struct, array_like=True):
    """The largest stacks of all phases, and for each phase the sum of its other stacks.

    Attributes:
        frames: all frames, each once.
        stacks: phase by phase.
    """

    frames: list[results.Frame]
    stacks: list[SizedStack]


class _Phase:
    """The sites of one phase, and what they add up to."""

    def __init__(self, path: PhasePath, tally: Tally, file_backed: dict[int, int]) -> None:
        own, ambient = tally.add_up(tally.sites), tally.add_up(tally.ambient)
        self.path = path
        self.sites: list[Site] = [*tally.sites.values(), *tally.ambient.values()]
        self._file_backed = file_backed
        self._field = own.peak_field
        live, peak = _sum(own, ambient, "live", LIVE), _sum(own, ambient, "at_peak", own.peak_field)
        self._peak_known = peak == tally.own.top
        allocated = own.allocated + ambient.allocated
        files = sum(file_backed.get(id(site), 0) for site in self.sites) if file_backed else 0
        count = own.allocations + ambient.allocations
        self.whole: Figures = live, peak if self._peak_known else 0, allocated, count, allocated - live - files

    def ranks(self) -> list[float]:
        """Return for each site the largest share that it has in one of the phase's figures of bytes."""
        live, peak, allocated = (1 / figure if figure > 0 else 0.0 for figure in self.whole[:3])
        field = self._field
        return [max(site[LIVE] * live, site[field] * peak, site[ALLOCATED] * allocated) for site in self.sites]

    def figures(self, site: Site) -> Figures:
        peak = site[self._field] if self._peak_known else 0
        freed = site[ALLOCATED] - site[LIVE] - self._file_backed.get(id(site), 0)
        return site[LIVE], peak, site[ALLOCATED], site[COUNT], freed


def largest_stacks(
    fold: PhaseFold,
    frames_of: Callable[[StackKey], Iterable[HybridFrame]],
    prepare: Callable[[list[StackKey]], None],
    most: int,
) -> LargestStacks:
    """Return the largest stacks of what was read so far, by their shares of their phases.

    Args:
        fold: the capture's figures.
        frames_of: returns the readable frames of a stack, innermost first.
        prepare: called once before that with all keys of stacks.
        most: how many stacks.
    """
    file_backed: dict[int, int] = {}  # by the identity of the site
    for mapping, size in fold.mapped.file_backed():
        file_backed[id(mapping.site)] = file_backed.get(id(mapping.site), 0) + size
    phases = [_Phase(path, tally, file_backed) for path, tally in fold.phases.tallies.items() if tally.runs]
    chosen = _choose(phases, most)
    prepare([site[KEY] for sites in chosen for site in sites])
    numbers: dict[HybridFrame, int] = {}
    stacks = []
    for phase, sites in zip(phases, chosen, strict=True):
        rest = phase.whole
        for site in sites:
            figures = phase.figures(site)
            rest = tuple(left - figure for left, figure in zip(rest, figures, strict=True))  # type: ignore[assignment]
            frames = [numbers.setdefault(frame, len(numbers)) for frame in frames_of(site[KEY])]
            stacks.append(SizedStack(phase.path, figures, 1, frames))
        if len(sites) < len(phase.sites):
            stacks.append(SizedStack(phase.path, rest, len(phase.sites) - len(sites), None))
    return LargestStacks(list(starmap(results.Frame, numbers)), stacks)


def _choose(phases: list[_Phase], most: int) -> list[list[Site]]:
    """Return for each phase those of its sites that are among the largest of all."""
    ranks = [phase.ranks() for phase in phases]
    ordered = sorted(chain.from_iterable(ranks), reverse=True)
    if len(ordered) <= most:
        return [phase.sites for phase in phases]
    least = ordered[most]
    equal = most - ordered.index(least)  # how many of those with that rank are still wanted
    chosen: list[list[Site]] = []
    for phase, mine in zip(phases, ranks, strict=True):
        chosen.append([])
        for site, rank in zip(phase.sites, mine, strict=True):
            if rank < least:
                continue
            if rank == least:
                equal -= 1
                if equal < 0:
                    continue
            chosen[-1].append(site)
    return chosen


def _sum(own: SiteTotals, ambient: SiteTotals, sites: str, field: int) -> int:
    return sum(map(itemgetter(field), chain(getattr(own, sites), getattr(ambient, sites))))
