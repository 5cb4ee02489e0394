"""Turns a folded capture into the report's rows."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from operator import eq, itemgetter
from typing import Any, TypeAlias

import msgspec

from .. import results
from ..paths import PhasePath, is_inside, write
from .fold import CaptureFold
from .stacks import Readable
from .tally import ASKED, AT_PEAK, COUNT, KEY, LIVE, Sifted, Site, Tally, sift

Resolve: TypeAlias = Callable[[Any], Readable]  # of a stack's key


class CaptureSummary(msgspec.Struct, kw_only=True):
    """A memray capture by phase.

    Attributes:
        rows: by phase path; `()` is what happened in no phase.
        totals: the whole capture; allocated bytes and allocations are memray's own less those of the markers.
        marks: how many marks of phase edges there are, each of them one allocation.
        marks_bytes: what they asked for.
        memray_peak_bytes: memray's own peak, mapped files included.
        mapped_files: bytes still mapped, by file.
        calls: how many runs each phase had, by path.
        complete: whether all of the capture was read.
        stopped: whether it has an orderly end, as far as it tells.
        notes: what the reader of the report must know.
    """

    rows: dict[PhasePath, results.Native]
    totals: results.NativeTotals
    marks: int
    marks_bytes: int
    memray_peak_bytes: int
    mapped_files: dict[str, int]
    calls: dict[PhasePath, int]
    complete: bool = True
    stopped: bool = True
    notes: list[str] = []


# As many of a phase's largest stacks are summed up by package and library; the others change little in the picture.
_GROUPED = 500
_LIVE, _AT_PEAK = itemgetter(LIVE), itemgetter(AT_PEAK)


def build_rows(
    fold: CaptureFold,
    top: int,
    resolve: Resolve,
    package_at: Callable[[Any], str] = lambda key: "",
    library_at: Callable[[Any], str] | None = None,
) -> dict[PhasePath, results.Native]:
    """The rows of a fold that is finished.

    Args:
        fold: the capture's figures.
        top: how many stacks to resolve for each phase.
        resolve: makes a stack's key readable.
        package_at: says whose code a stack's key ends in.
        library_at: says whose C or C++ code it ends in; None where that was not recorded.
    """
    files = {path: sum(by_file.values()) for path, by_file in fold.mapped.file_backed().items()}
    reserved = fold.mapped.reserved()
    sifted = {
        path: (sift(tally.sites.values(), tally.own.fall), sift(tally.ambient.values(), tally.own.fall))
        for path, tally in fold.tallies.items()
    }
    own = {path: _totals(tally, *sifted[path], files.get(path, 0)) for path, tally in fold.tallies.items()}
    rows = {}
    largest_live = {}
    for path, tally in fold.tallies.items():
        if tally.runs == 0:  # the phase around one that was marked, which asked not to be
            continue
        totals = own[path]
        _, ambient = sifted[path]
        live, at_peak = _joined(tally, *sifted[path])
        mostly = largest_live[path] = _most(max(top, _GROUPED), live, _LIVE)
        candidates = mostly if len(live) >= top else [*tally.sites.values(), *tally.ambient.values()]
        # They do not add up where a guess about a mapping had to be put right after the peak: better none than others.
        if sum(map(_AT_PEAK, at_peak)) != totals.peak_bytes:
            at_peak = []
        peaks = heapq.nlargest(top, _most(top, at_peak, _AT_PEAK), key=_AT_PEAK)
        rows[path] = results.Native(
            **msgspec.structs.asdict(totals),
            including_inner=_with_inner(tally, own),
            top=[_site(site, resolve) for site in heapq.nlargest(top, candidates, key=itemgetter(LIVE, ASKED))],
            at_peak=[_site(site, resolve) for site in peaks],
            ambient_bytes=ambient.asked if path else 0,
            ambient_allocations=ambient.times if path else 0,
            reserved_bytes=reserved.get(path, 0),
            temporary_bytes=max(0, totals.allocated_bytes - totals.held_bytes - totals.file_backed_bytes),
            by_package=_grouped(totals.live_bytes, mostly, package_at),
            freed_later={
                write(freeing): size for freeing, size in sorted(tally.freed_later.items(), key=lambda item: -item[1])
            },
        )
    if library_at is not None:  # after all that are resolved, since it may take them at less than they are
        for path, row in rows.items():
            row.by_library = _grouped(row.live_bytes, largest_live[path], library_at)
    return rows


def _most(count: int, sites: list[Site], figure: Callable[[Site], int]) -> list[Site]:
    """The so many with the largest figures and all that equal the last of them, in their old order."""
    if len(sites) <= count:
        return sites
    least = heapq.nlargest(count, map(figure, sites))[-1]
    return [site for site in sites if figure(site) >= least]


def _grouped(live_bytes: int, mostly: list[Site], group_of: Callable[[Any], str]) -> dict[str, int]:
    found = {"": live_bytes}
    for site in heapq.nlargest(_GROUPED, mostly, key=_LIVE):
        name = group_of(site[KEY])
        found[name] = found.get(name, 0) + site[LIVE]
        found[""] -= site[LIVE]
    return dict(sorted(((name, size) for name, size in found.items() if size), key=lambda item: -item[1]))


def add_up(rows: Iterable[results.NativeTotals], peak_bytes: int) -> results.NativeTotals:
    """The sum of rows; a peak does not add up, so it is given."""
    total = results.NativeTotals(peak_bytes=peak_bytes)
    for row in rows:
        for name in _ADDED:
            setattr(total, name, getattr(total, name) + getattr(row, name))
    return total


_ADDED = ("allocated_bytes", "allocations", "freed_bytes", "held_bytes", "live_bytes", "file_backed_bytes")


def _totals(tally: Tally, own: Sifted, ambient: Sifted, file_backed: int) -> results.NativeTotals:
    return results.NativeTotals(
        allocated_bytes=own.asked + ambient.asked,
        allocations=own.times + ambient.times,
        freed_bytes=tally.freed,
        held_bytes=tally.held,
        live_bytes=tally.own.now,
        peak_bytes=tally.own.top,
        file_backed_bytes=file_backed,
    )


def _with_inner(tally: Tally, own: dict[PhasePath, results.NativeTotals]) -> results.NativeTotals:
    inside = is_inside if tally.path else eq
    rows = [totals for path, totals in own.items() if inside(path, tally.path)]
    total = add_up(rows, tally.whole.top)
    total.held_bytes = tally.whole_held
    return total


def _joined(tally: Tally, own: Sifted, ambient: Sifted) -> tuple[list[Site], list[Site]]:
    """What is live and what was at the peak, sites of ambient threads added to the others of the same stacks."""
    if tally.sites.keys().isdisjoint(tally.ambient):
        return [*own.live, *ambient.live], [*own.at_peak, *ambient.at_peak]
    merged: dict[Any, Site] = dict(tally.sites)
    for key, site in tally.ambient.items():
        other = merged.get(key)
        merged[key] = site if other is None else [*(a + b for a, b in zip(other[:KEY], site[:KEY], strict=True)), key]
    return [site for site in merged.values() if site[LIVE]], [site for site in merged.values() if site[AT_PEAK]]


def _site(site: Site, resolve: Resolve) -> results.NativeSite:
    stack = resolve(site[KEY])
    return results.NativeSite(
        live_bytes=site[LIVE],
        allocated_bytes=site[ASKED],
        allocations=site[COUNT],
        library=stack.library,
        stack=[results.Frame(*frame) for frame in stack.frames],
        at_peak_bytes=site[AT_PEAK],
        operator=stack.operator,
        package=stack.package,
        caller=None if stack.caller is None else results.Frame(*stack.caller),
    )
