"""A capture as a stream of samples: every stack of every phase with its figures, for flame graphs and exporters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import starmap
from typing import NamedTuple

from .. import results
from ..paths import PhasePath
from .fold import CaptureFold
from .frames import HybridFrame
from .native_records import StackKey
from .tally import ALLOCATED, COUNT, KEY, LIVE, Site

Stack = tuple[results.Frame, ...]


class StackSample(NamedTuple):
    """What one stack allocated in one phase.

    The samples of a phase add up to its row in the report, and all samples to memray's totals without the markers.
    Several samples of a phase may have equal stacks: memray tells stacks apart by more than is shown of them.

    Attributes:
        phase: the path of the phase; `()` for what happened in none.
        stack: its frames, innermost first, as a report shows them.
        ambient: whether the allocations are of threads that had no phase of their own.
        allocated_bytes: all that it asked for, mappings of files too.
        allocations: how often.
        live_bytes: not freed when the capture ended, mappings of files aside.
        at_peak_bytes: live when the phase's own live bytes were at their peak. None for all samples of a phase where
            that is not known, because a mapping turned out after the peak to be of a file.
        file_backed_bytes: mapped from files and not unmapped when the capture ended.
    """

    phase: PhasePath
    stack: Stack
    ambient: bool
    allocated_bytes: int
    allocations: int
    live_bytes: int
    at_peak_bytes: int | None
    file_backed_bytes: int


def samples(fold: CaptureFold, resolve: Callable[[StackKey], Iterable[HybridFrame]]) -> Iterator[StackSample]:
    """Yield the samples of what was read so far, phase by phase. Stacks are resolved one by one, as they are asked for.

    Args:
        fold: the capture's figures; must take no records until the last sample is out.
        resolve: returns the readable frames of a stack, innermost first.
    """
    frame = cache(lambda *fields: results.Frame(*fields))  # the same frames are in most stacks
    file_backed: dict[int, int] = {}  # by the identity of the site
    for mapping, size in fold.mapped.file_backed():
        file_backed[id(mapping.site)] = file_backed.get(id(mapping.site), 0) + size
    for path, tally in fold.phases.tallies.items():
        own, ambient = tally.add_up(tally.sites.values()), tally.add_up(tally.ambient.values())
        field = own.peak_field
        known = _sum(own.at_peak, field) + _sum(ambient.at_peak, field) == tally.own.top
        for sites, is_ambient in ((tally.sites, False), (tally.ambient, bool(path))):
            for site in sites.values():
                yield StackSample(
                    phase=path,
                    stack=tuple(starmap(frame, resolve(site[KEY]))),
                    ambient=is_ambient,
                    allocated_bytes=site[ALLOCATED],
                    allocations=site[COUNT],
                    live_bytes=site[LIVE],
                    at_peak_bytes=site[field] if known else None,
                    file_backed_bytes=file_backed.get(id(site), 0),
                )


def _sum(sites: list[Site], field: int) -> int:
    return sum(site[field] for site in sites)
