"""The tables of the sampled heap for one phase: live bytes by package, library and stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .. import results
from .blocks import Bytes, Code, Column, Count, Range, Sentence, Table
from .sites import frames_words

_MIN_AT_PEAK = 0.1  # of a phase's peak: if nearly all of it stayed, the live stacks say the same


def heap_tables(heap: results.Heap, top: int) -> Iterator[Table]:
    """Yields the tables of a phase.

    Args:
        heap: its figures.
        top: rows of each table.
    """
    yield from _groups("heap-packages", "Python package", heap.by_package, top)
    yield from _groups("heap-libraries", "library", heap.by_library, top)
    live: list[list[Sentence]] = [
        [Bytes(site.live_bytes), bounds(site), Count(site.samples), Code(site_words(site))] for site in heap.top[:top]
    ]
    yield from _table("heap-live", ["sampled live", "95% CI", "samples"], "stack", live)
    if heap.peak_bytes - heap.live_bytes >= _MIN_AT_PEAK * heap.peak_bytes:
        peak: list[list[Sentence]] = [
            [Bytes(site.at_peak_bytes), Code(site_words(site))] for site in heap.at_peak[:top]
        ]
        yield from _table("heap-peak", ["sampled at peak"], "stack", peak)


def bounds(figures: results.Heap | results.HeapStackSample) -> Range:
    """Returns the confidence interval of live bytes."""
    return Range(Bytes(figures.live_low_bytes), Bytes(figures.live_high_bytes))


def site_words(site: results.HeapStackSample) -> str:
    """Returns the frames of a stack that say most, and the library that allocated."""
    return frames_words(site.stack, site.caller, [site.library])


def _groups(key: str, what: str, sizes: Mapping[str, int], top: int) -> Iterator[Table]:
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:top]
    rows: list[list[Sentence]] = [[Bytes(size), Code(name) if name else "not known"] for name, size in largest]
    yield from _table(key, ["sampled live"], what, rows)


def _table(key: str, figures: Sequence[str], place: str, rows: Sequence[Sequence[Sentence]]) -> Iterator[Table]:
    if rows:
        yield Table(key, [*(Column(title, "right") for title in figures), Column(place)], rows)
