"""Turns what a fold has counted into the rows of a report."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import NamedTuple, TypeAlias

import msgspec

from .. import results
from ..paths import PhasePath, write
from .fold import PhaseFold
from .largest import LargestStacks
from .native_records import StackKey
from .stacks import ReadableStack
from .tally import ALLOCATED, COUNT, KEY, LIVE, Site, SiteTotals, Tally

Resolve: TypeAlias = Callable[[StackKey], ReadableStack]

_GROUPED = 500  # how many of a phase's largest stacks are summed up by package and library; the rest is a few percent
_SUMMED = ("allocated_bytes", "allocations", "freed_bytes", "held_bytes", "live_bytes", "file_backed_bytes")


class CaptureSummary(msgspec.Struct, kw_only=True):
    """A memray capture by phase.

    Attributes:
        rows: by phase path; `()` is what happened in no phase.
        totals: of the whole capture: allocated bytes and allocations are memray's own without the markers.
        markers: number of markers, each of them one allocation.
        marker_bytes: their size.
        memray_peak_bytes: memray's own peak, mapped files included.
        mapped_files: bytes still mapped, by file.
        calls: number of runs of each phase, by path.
        complete: whether the whole capture was read.
        stopped: whether the session in it was stopped, as far as the capture shows.
        notes: caveats for readers of the report.
        largest: the largest stacks, if they were asked for.
    """

    rows: dict[PhasePath, results.Native]
    totals: results.NativeTotals
    markers: int
    marker_bytes: int
    memray_peak_bytes: int
    mapped_files: dict[str, int]
    calls: dict[PhasePath, int]
    complete: bool = True
    stopped: bool = True
    notes: list[str] = []
    largest: LargestStacks | None = None


class _Chosen(NamedTuple):
    """The sites of one phase, from which its row is made.

    Attributes:
        top: those with the most live bytes.
        at_peak: those with the most bytes at the peak; none where its breakdown is not known.
        grouped: those that are summed up by package and library.
        peak_field: where in a site its bytes at the peak are.
    """

    top: list[Site]
    at_peak: list[Site]
    grouped: list[Site]
    peak_field: int


def build_rows(
    fold: PhaseFold,
    top: int,
    resolve: Resolve,
    package_at: Callable[[StackKey], str] = lambda key: "",
    library_at: Callable[[StackKey], str] | None = None,
    prepare: Callable[[list[StackKey]], None] = lambda keys: None,
) -> dict[PhasePath, results.Native]:
    """Return the rows of what was read so far; the fold can continue, and be asked again.

    Args:
        fold: the capture's figures.
        top: how many stacks to resolve for each phase.
        resolve: makes a stack readable.
        package_at: names the package whose Python code a stack ends in.
        library_at: names the library whose C or C++ code a stack ends in; None where native frames were not recorded.
        prepare: called once before the others, with the keys of all stacks that they will be called with.
    """
    tallies = fold.phases.tallies
    reserved = fold.mapped.reserved()
    totals_of = {path: (tally.add_up(tally.sites), tally.add_up(tally.ambient)) for path, tally in tallies.items()}
    own, whole = _totals(fold, totals_of)
    chosen = {
        path: _choose(tally, totals_of[path], own[path].peak_bytes, top)
        for path, tally in tallies.items()
        if tally.runs  # else not a phase: the name of one around another, which asked not to be recorded
    }
    prepare([site[KEY] for sites in chosen.values() for site in (*sites.top, *sites.at_peak, *sites.grouped)])
    rows = {}
    for path, sites in chosen.items():
        totals = own[path]
        _, ambient = totals_of[path]
        freed_later = sorted(tallies[path].freed_later.items(), key=lambda item: -item[1])
        rows[path] = results.Native(
            **msgspec.structs.asdict(totals),
            including_inner=whole[path],
            top=[_site(site, sites.peak_field, resolve) for site in sites.top],
            at_peak=[_site(site, sites.peak_field, resolve) for site in sites.at_peak],
            ambient_bytes=ambient.allocated if path else 0,
            ambient_allocations=ambient.allocations if path else 0,
            reserved_bytes=reserved.get(path, 0),
            temporary_bytes=max(0, totals.allocated_bytes - totals.held_bytes - totals.file_backed_bytes),
            by_package=_grouped(totals.live_bytes, sites.grouped, package_at),
            freed_later={write(freeing): size for freeing, size in freed_later},
        )
    if library_at is not None:  # last: memray keeps names as first resolved, and these are resolved without lines
        for path, row in rows.items():
            row.by_library = _grouped(row.live_bytes, chosen[path].grouped, library_at)
    return rows


def _choose(tally: Tally, totals: tuple[SiteTotals, SiteTotals], peak_bytes: int, top: int) -> _Chosen:
    live, at_peak, peak_field = _merged(tally, *totals)
    largest = _largest(max(top, _GROUPED), live, LIVE)
    candidates = largest if len(live) >= top else [*tally.sites.values(), *tally.ambient.values()]
    peaks = []
    if sum(map(itemgetter(peak_field), at_peak)) == peak_bytes:
        peaks = heapq.nlargest(top, _largest(top, at_peak, peak_field), key=itemgetter(peak_field))
    # else a wrong guess about a mapping was corrected after the peak: no breakdown rather than a wrong one
    return _Chosen(
        top=heapq.nlargest(top, candidates, key=itemgetter(LIVE, ALLOCATED)),
        at_peak=peaks,
        grouped=heapq.nlargest(_GROUPED, largest, key=itemgetter(LIVE)),
        peak_field=peak_field,
    )


def add_up(rows: Iterable[results.NativeTotals], peak_bytes: int) -> results.NativeTotals:
    """Return the sum of rows. Peaks do not add up, so the whole's is given."""
    total = results.NativeTotals(peak_bytes=peak_bytes)
    for row in rows:
        for name in _SUMMED:
            setattr(total, name, getattr(total, name) + getattr(row, name))
    return total


def _totals(
    fold: PhaseFold, totals_of: dict[PhasePath, tuple[SiteTotals, SiteTotals]]
) -> tuple[dict[PhasePath, results.NativeTotals], dict[PhasePath, results.NativeTotals]]:
    """Return each phase's totals: its own, and with the phases inside it."""
    tallies = fold.phases.tallies
    held = {path: tally.held for path, tally in tallies.items()}
    whole_held = {path: tally.whole_held for path, tally in tallies.items()}
    for run in fold.phases.open_runs():
        held[run.tally.path] += run.live
        whole_held[run.tally.path] += run.whole
    files = dict.fromkeys(tallies, 0)
    for mapping, size in fold.mapped.file_backed():
        files[mapping.run.tally.path] += size
    own = {
        path: results.NativeTotals(
            allocated_bytes=phase.allocated + ambient.allocated,
            allocations=phase.allocations + ambient.allocations,
            freed_bytes=tallies[path].freed,
            held_bytes=held[path],
            live_bytes=tallies[path].own.now,
            peak_bytes=tallies[path].own.top,
            file_backed_bytes=files[path],
        )
        for path, (phase, ambient) in totals_of.items()
    }
    # To ask each path about each other one would take a minute for 10,000 phases.
    inside: dict[PhasePath, list[results.NativeTotals]] = {path: [] for path in tallies}
    for path, totals in own.items():
        for length in range(min(1, len(path)), len(path) + 1):
            inside.get(path[:length], []).append(totals)
    whole = {}
    for path, tally in tallies.items():
        whole[path] = add_up(inside[path], tally.whole.top)
        whole[path].held_bytes = whole_held[path]
    return own, whole


def _merged(tally: Tally, own: SiteTotals, ambient: SiteTotals) -> tuple[list[Site], list[Site], int]:
    """Return the sites with live bytes, those with bytes at the peak, and the field of these.

    Where a thread without a phase has allocated at a stack of the phase's own, the two sites become one.
    """
    field = own.peak_field
    both: dict[StackKey, Site] = {}
    for site in tally.ambient.values():
        key = site[KEY]
        other = tally.sites.get(key)
        if other is not None:
            both[key] = [*(other[place] + site[place] for place in range(KEY)), key]

    def merged(own_sites: list[Site], ambient_sites: list[Site], field: int) -> list[Site]:
        sites = [*own_sites, *ambient_sites]
        if not both:
            return sites
        return [site for site in sites if site[KEY] not in both] + [site for site in both.values() if site[field]]

    return merged(own.live, ambient.live, LIVE), merged(own.at_peak, ambient.at_peak, field), field


def _largest(count: int, sites: list[Site], field: int) -> list[Site]:
    """Return that many sites with the largest figures and all that equal the last of them, in their old order."""
    if len(sites) <= count:
        return sites
    least = heapq.nlargest(count, map(itemgetter(field), sites))[-1]
    return [site for site in sites if site[field] >= least]


def _grouped(live_bytes: int, sites: list[Site], group_of: Callable[[StackKey], str]) -> dict[str, int]:
    found = {"": live_bytes}
    for site in sites:
        name = group_of(site[KEY])
        found[name] = found.get(name, 0) + site[LIVE]
        found[""] -= site[LIVE]
    return dict(sorted(((name, size) for name, size in found.items() if size), key=lambda item: -item[1]))


def _site(site: Site, peak_field: int, resolve: Resolve) -> results.NativeSite:
    stack = resolve(site[KEY])
    return results.NativeSite(
        live_bytes=site[LIVE],
        allocated_bytes=site[ALLOCATED],
        allocations=site[COUNT],
        library=stack.library,
        stack=[results.Frame(*frame) for frame in stack.frames],
        at_peak_bytes=site[peak_field],
        operator=stack.operator,
        package=stack.package,
        caller=None if stack.caller is None else results.Frame(*stack.caller),
    )
