"""The sampled heap of a process: its phases, and what filled the memory of a process that was killed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .. import results
from .blocks import Bytes, Code, Column, Count, Inline, Percent, Prose, Section, Sentence, Table, enumerate_words
from .heap_tables import bounds, site_words
from .sites import short

_CANDIDATES = 10  # leak candidates in the table
_NAMED = 3  # holders in the sentence
_SMALLEST = 0.02  # of the live heap: a smaller holder is not named


def heap_sections(process: results.Process, phases: Sequence[results.PhaseRow]) -> Iterator[Section]:
    """Yields the section, if the probe `heap` was on.

    Args:
        process: the process.
        phases: its phases.
    """
    sampled = [(phase, phase.heap) for phase in phases if phase.heap is not None]
    if not sampled:
        return
    rows: list[list[Sentence]] = [
        [
            Code(phase.path) if phase.path else "Outside any phase",
            Bytes(heap.live_bytes),
            bounds(heap),
            Bytes(heap.peak_bytes),
            Bytes(heap.allocated_bytes),
        ]
        for phase, heap in sampled
    ]
    columns = [
        Column("phase"),
        *(Column(title, "right") for title in ("live", "95% CI of live", "peak", "allocated (exact)")),
    ]
    what = "Sampled: malloc, anonymous mappings and Python's allocators, without the phases inside each phase."
    held = _held(process, [heap for _, heap in sampled])
    prose = Prose("basis", [*([held] if held else []), what])
    table = Table("phases", columns, rows)
    yield Section(f"heap-{process.pid}", "Sampled heap", [prose, table, *_leak_candidates(sampled)])


def _leak_candidates(sampled: Sequence[tuple[results.PhaseRow, results.Heap]]) -> Iterator[Table]:
    """The stacks of which early and late calls have left something behind, the largest first."""
    found = [(phase, heap, site) for phase, heap in sampled for site in heap.leak_candidates]
    found.sort(key=lambda each: -each[2].live_bytes)
    rows: list[list[Sentence]] = [
        [
            Code(phase.path) if phase.path else "Outside any phase",
            Bytes(site.live_bytes),
            bounds(site),
            [Count(site.from_calls), " of ", Count(heap.calls)],
            Code(site_words(site)),
        ]
        for phase, heap, site in found[:_CANDIDATES]
    ]
    if rows:
        titles = ("live", "95% CI", "seen in calls")
        columns = [Column("phase"), *(Column(title, "right") for title in titles), Column("stack")]
        yield Table("leak-candidates", columns, rows, title="Leak candidates: early and late calls left memory behind")


def _held(process: results.Process, heaps: Sequence[results.Heap]) -> list[Inline]:
    """What held the live heap at the end, largest first."""
    total = sum(heap.live_bytes for heap in heaps)
    sizes: dict[tuple[str, str], int] = {}
    for heap in heaps:
        for site in heap.top:
            place = site.caller or next(iter(site.stack), None)
            name = f"{place.function} ({short(place.file)}:{place.line})" if place else ""
            key = name, site.library or ""
            sizes[key] = sizes.get(key, 0) + site.live_bytes
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:_NAMED]
    holders = [_holder(*key, size) for key, size in largest if size >= _SMALLEST * total]
    if not total or not holders:
        return []
    return [*_when(process), Bytes(total), " was live: ", *enumerate_words(holders), "."]


def _holder(function: str, library: str, size: int) -> list[Inline]:
    words: list[Inline] = [Bytes(size)]
    if function:
        words += [" by ", Code(function)]
    if library:
        words += [" in ", Code(library)]
    return words


def _when(process: results.Process) -> list[Inline]:
    if process.ended == "closed":
        return ["When the session stopped, "]
    words: list[Inline] = ["The records stop"]
    if process.last_phase:
        words += [" inside ", Code(process.last_phase)]
    words += [" at ", Bytes(process.end_bytes)]
    limit = process.cgroup.limit_bytes if process.cgroup is not None else None
    if limit:
        words += [" of a limit of ", Bytes(limit), " (", Percent(process.end_bytes / limit), ")"]
    return [*words, ". Then "]
