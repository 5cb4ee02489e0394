"""Where a phase allocated: a table for each probe that measured it, the largest rows first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from .. import results
from .blocks import Bytes, Code, Column, Count, Section, Sentence, Table
from .heap_tables import heap_tables
from .sites import short, stack_words

_MIN_AT_PEAK = 0.1  # of a phase's peak: if nearly all of it stayed, the live stacks say the same
_MIN_BYTES = 4096  # what is smaller explains nothing


def allocation_sections(process: results.Process, phases: Sequence[results.PhaseRow], top: int) -> Iterator[Section]:
    """Yields a section for each phase of a process with something to show, after a heading for all of them.

    Args:
        process: the process.
        phases: its phases.
        top: rows of each table.
    """
    key = f"allocations-{process.pid}"
    found = [(phase, tables) for phase in phases if (tables := list(_tables(phase, top)))]
    if found:
        yield Section(key, "Top allocations")
    for number, (phase, tables) in enumerate(found, 1):
        yield Section(f"{key}-{number}", Code(phase.path) if phase.path else "Outside any phase", [*tables], level=3)


def _tables(phase: results.PhaseRow, top: int) -> Iterator[Table]:
    if phase.native is not None:
        yield from _native(phase.native, top)
    if phase.heap is not None:
        yield from heap_tables(phase.heap, top)
    if phase.python_heap is not None:
        yield from _python_heap(phase.python_heap, top)
    if phase.objects is not None:
        yield from _objects(phase.objects, top)
    if phase.tensors is not None:
        yield from _tensors(phase.tensors, top)
    if phase.collector is not None:
        yield from _collector(phase.collector)


def _native(native: results.Native, top: int) -> Iterator[Table]:
    yield from _table("native-packages", ["native live"], "Python package", _groups(native.by_package, top))
    yield from _table("native-libraries", ["native live"], "library", _groups(native.by_library, top))
    live = _by_stack((site.live_bytes, site) for site in native.top)
    yield from _table("native-live", ["native live", "allocations"], "stack", live[:top])
    if native.peak_bytes - native.live_bytes >= _MIN_AT_PEAK * native.peak_bytes:
        peak = _by_stack((site.at_peak_bytes, site) for site in native.at_peak)
        yield from _table("native-peak", ["native at peak", "allocations"], "stack", peak)
    later = _groups(native.freed_later, top, unnamed="outside any phase")
    yield from _table("native-freed-later", ["native, freed later"], "by phase", later)


def _groups(sizes: Mapping[str, int], top: int, *, unnamed: str = "many small stacks") -> list[list[Sentence]]:
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:top]
    return [[Bytes(size), Code(name) if name else unnamed] for name, size in largest if size >= _MIN_BYTES]


def _by_stack(sites: Iterable[tuple[int, results.NativeSite]]) -> list[list[Sentence]]:
    """A row for each stack as it is written: those that differ only in frames that are not shown are added up."""
    sums: dict[str, tuple[int, int]] = {}
    for size, site in sites:
        if size >= _MIN_BYTES:
            words = stack_words(site)
            bytes_before, allocations = sums.get(words, (0, 0))
            sums[words] = bytes_before + size, allocations + site.allocations
    ordered = sorted(sums.items(), key=lambda row: -row[1][0])
    return [[Bytes(size), Count(allocations), Code(words)] for words, (size, allocations) in ordered]


def _python_heap(heap: results.PythonHeap, top: int) -> Iterator[Table]:
    rows: list[list[Sentence]] = [
        [
            Bytes(row.delta_bytes, signed=True),
            Count(row.delta_count, signed=True),
            Code(f"{short(row.file)}:{row.line}"),
        ]
        for row in heap.top[:top]
        if row.delta_bytes > 0
    ]
    yield from _table("python-heap", ["Python heap", "blocks"], "line", rows)


def _objects(objects: results.Objects, top: int) -> Iterator[Table]:
    rows: list[list[Sentence]] = [
        [Count(row.delta_count, signed=True), Bytes(row.delta_bytes, signed=True), Code(row.type)]
        for row in objects.top[:top]
        if row.delta_count > 0
    ]
    yield from _table("objects", ["objects", "size"], "type", rows)


def _tensors(tensors: results.Tensors, top: int) -> Iterator[Table]:
    groups = sorted(tensors.groups, key=lambda group: -group.size_bytes)
    rows: list[list[Sentence]] = [
        [
            Bytes(group.size_bytes),
            Bytes(group.delta_bytes, signed=True),
            Count(group.count),
            f"{group.library} {group.dtype} on {group.device}, {group.role}, {group.backing}",
        ]
        for group in groups[:top]
    ]
    yield from _table("tensors", ["tensors", "change", "storages"], "kind", rows)


def _collector(collector: results.Collector) -> Iterator[Table]:
    rows: list[list[Sentence]] = []
    if collector.returned_objects or collector.returned_bytes > 0:
        freed = "freed only by a full collection"
        rows.append([Count(collector.returned_objects), Bytes(collector.returned_bytes), freed])
    if collector.uncollectable:
        rows.append([Count(collector.uncollectable), None, "uncollectable"])
    yield from _table("collector", ["objects", "RSS"], "garbage collector", rows)


def _table(key: str, figures: Sequence[str], place: str, rows: Sequence[Sequence[Sentence]]) -> Iterator[Table]:
    """A table, if it has a row."""
    if rows:
        yield Table(key, [*(Column(title, "right") for title in figures), Column(place)], rows)
