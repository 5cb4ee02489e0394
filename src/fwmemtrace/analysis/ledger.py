"""The ledger: a phase's change of RSS, split among owners until it adds up to the change.

The figures of a reading come from smaps, those of a phase from the kernel's counter, read a moment before or after. The
two need not meet: what the tracer itself moved between them, and how far the counter is from the page tables (the
kernel keeps it per processor and adds it up loosely), are items of their own, so that nothing is lost between the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from .. import results
from ..paths import PhasePath, write
from ..records import MappingRow, MappingsEdge, MappingsReading, PhaseBegin, PhaseEnd, Record

FILE, MODEL_FILE, SHARED_MEMORY, TRACER = "file", "model file", "shared memory", "tracer"
NATIVE_HEAP, PYTHON_HEAP, ALLOCATOR_FREE = "native heap", "python heap", "allocator free"
STACKS, NAMED, COUNTER = "thread stacks", "named memory", "kernel counter"

_FIGURES = 4  # bytes, private, evictable, anonymous
Key: TypeAlias = tuple[str, str]
Figures: TypeAlias = list[int]


@dataclass(slots=True)
class Contents:
    """What RSS consists of at one reading.

    Attributes:
        items: bytes, private, evictable and anonymous bytes by category and owner.
        unexplained: the same for anonymous memory that nobody is known to own.
        total: RSS by smaps: the bytes of all of them.
        counter: RSS by the kernel's counter, at the same time.
    """

    items: dict[Key, Figures]
    unexplained: Figures
    total: int
    counter: int


def contents_of(reading: MappingsReading, rows: list[MappingRow], moved_bytes: int = 0) -> Contents:
    """Name what a reading's rows are, with what the allocators say is in use.

    What an allocator has in use is taken to be resident, as far as its resident pages reach; the rest of them it holds
    free. Nobody tells which pages are those of an allocator that stands in for malloc: they are taken to be as many as
    it says it holds, of those of the heap that glibc does not use and of those without a name.

    Args:
        reading: what the allocators and the kernel's counter say.
        rows: its own, or those of an earlier reading that still hold.
        moved_bytes: what RSS has changed by since those were read, which nobody can name.
    """
    items: dict[Key, Figures] = {}
    unexplained = [0] * _FIGURES
    malloc, python = [0] * _FIGURES, [0] * _FIGURES
    for row in rows:
        figures = _figures_of(row)
        match row.category, row.owner:
            case "malloc", "mapped blocks":
                _add(items, (NATIVE_HEAP, "malloc, large blocks"), figures)
            case "malloc", _:
                _sum(malloc, figures)
            case "python", _:
                _sum(python, figures)
            case "anonymous", _:
                _sum(unexplained, figures)
            case "stack", owner:
                _add(items, (STACKS, owner), figures)
            case "named", owner:
                _add(items, (NAMED, owner), figures)
            case category, owner:
                _add(items, (category, owner), figures)
    said = reading.allocators
    tables = said.tracemalloc_bytes
    if said.other is not None:
        glibc = _take(malloc, said.malloc_in_use_bytes or 0)
        other = _take(malloc, said.other_held_bytes)
        _sum(other, _take(unexplained, said.other_held_bytes - other[0]))
        _sum(malloc, glibc)
        _divide_heap(items, other, said.other_in_use_bytes, said.other, tables)
        tables = None  # they are in the other's heap
    _divide_heap(items, malloc, said.malloc_in_use_bytes, "malloc", tables)
    _divide(
        items, python, said.python_in_use_bytes, (PYTHON_HEAP, "objects in arenas"), (ALLOCATOR_FREE, "Python's arenas")
    )
    _sum(unexplained, [moved_bytes, moved_bytes, 0, moved_bytes])
    total = sum(row.rss_bytes for row in rows) + moved_bytes
    return Contents(items, unexplained, total, reading.rss_bytes)


def _divide_heap(
    items: dict[Key, Figures], figures: Figures, in_use: int | None, allocator: str, tracemalloc: int | None
) -> None:
    """Divide what an allocator of native blocks has; tracemalloc's tables are among those in use."""
    if tracemalloc:
        _add(items, (TRACER, "tracemalloc"), _take(figures, tracemalloc))
        in_use = None if in_use is None else max(0, in_use - tracemalloc)
    _divide(items, figures, in_use, (NATIVE_HEAP, allocator), (ALLOCATOR_FREE, allocator))


def _divide(items: dict[Key, Figures], figures: Figures, in_use: int | None, live: Key, free: Key) -> None:
    if not figures[0]:
        return
    _add(items, live, figures if in_use is None else _take(figures, in_use))
    if in_use is not None:
        _add(items, free, figures)


def _take(figures: Figures, size: int) -> Figures:
    """Take so many bytes out of the figures, or what there is, and of the other figures their share."""
    taken = min(size, figures[0])
    part = [figure * taken // figures[0] if figures[0] else 0 for figure in figures]
    for place, share in enumerate(part):
        figures[place] -= share
    return part


def _figures_of(row: MappingRow) -> Figures:
    return [row.rss_bytes, row.private_bytes, row.evictable_bytes, row.anonymous_bytes]


def _add(items: dict[Key, Figures], key: Key, figures: Figures) -> None:
    _sum(items.setdefault(key, [0] * _FIGURES), figures)


def _sum(into: Figures, figures: Figures) -> None:
    for place, figure in enumerate(figures):
        into[place] += figure


@dataclass(slots=True)
class _Row:
    calls: int = 0
    read_calls: int = 0
    delta: int = 0
    unexplained: int = 0
    unread: int = 0
    items: dict[Key, Figures] = field(default_factory=dict)


@dataclass(slots=True)
class _Run:
    rss: int
    before: Contents | None = None
    after: Contents | None = None


class LedgerFold:
    """Takes the records of one process, each with the path of the phase that it belongs to.

    Attributes:
        any: whether the mappings were read at all.
    """

    takes: ClassVar[tuple[type[Record], ...]] = (
        PhaseBegin,
        PhaseEnd,
        MappingsReading,
        MappingsEdge,
    )

    def __init__(self) -> None:
        self._paths: dict[PhasePath, _Row] = {}
        self._rows: tuple[int, int, list[MappingRow]] = (0, 0, [])  # number and RSS of the reading they are of
        self._runs: dict[int, _Run] = {}
        self._latest: tuple[int, Contents] | None = None
        self._moments: dict[str, tuple[PhasePath, Contents]] = {}
        self.any = False

    def add(self, record: Record, path: PhasePath) -> None:
        """Take in one record; those of other kinds are passed over."""
        if isinstance(record, PhaseBegin):
            run = self._runs.setdefault(record.span, _Run(0))
            run.rss = record.rss_bytes
            self._paths.setdefault(path, _Row()).calls += 1
        elif isinstance(record, PhaseEnd):
            run_or_none = self._runs.pop(record.span, None)
            if run_or_none is not None and path in self._paths:
                _settle(self._paths[path], run_or_none, record.rss_bytes)
        elif isinstance(record, MappingsReading):
            self.any = True
            self._reading(record)
        elif isinstance(record, MappingsEdge):
            self._edge(record, path)

    def _reading(self, record: MappingsReading) -> None:
        if record.rows_of in (0, record.reading):
            self._rows = record.reading, record.rss_bytes, record.rows
        number, rss, rows = self._rows
        if number == (record.rows_of or record.reading):  # else damage took what it builds on
            self._latest = record.reading, contents_of(record, rows, record.rss_bytes - rss)

    def _edge(self, record: MappingsEdge, path: PhasePath) -> None:
        if self._latest is None or self._latest[0] != record.reading:
            return  # damage took the reading
        contents = self._latest[1]
        self._moments.setdefault("begin", (path, contents))
        self._moments["end"] = path, contents
        largest = self._moments.get("largest")
        if largest is None or contents.total > largest[1].total:
            self._moments["largest"] = path, contents
        if not record.span:
            return
        # The probes are told of a phase's begin before its own record goes out.
        run = self._runs.setdefault(record.span, _Run(0))
        if record.edge == "begin":
            run.before = contents
        else:
            run.after = contents

    def ledgers(self, pid: int = 0) -> list[results.Ledger]:
        """A row a path of phases; items and `unexplained_bytes` add up to `rss_delta_bytes` exactly."""
        return [
            results.Ledger(
                path=write(path),
                rss_delta_bytes=row.delta,
                unexplained_bytes=row.unexplained,
                items=_items(row.items),
                pid=pid,
                calls=row.calls,
                read_calls=row.read_calls,
                unread_bytes=row.unread,
            )
            for path, row in self._paths.items()
        ]

    def compositions(self, pid: int = 0) -> list[results.Composition]:
        """What RSS consisted of when the session began, when it was largest among the readings, and in the end."""
        moments: tuple[Literal["begin", "largest", "end"], ...] = ("begin", "largest", "end")
        return [
            results.Composition(
                pid=pid,
                moment=moment,
                path=write(self._moments[moment][0]),
                rss_bytes=self._moments[moment][1].total,
                unexplained_bytes=self._moments[moment][1].unexplained[0],
                items=_items(self._moments[moment][1].items),
            )
            for moment in moments
            if moment in self._moments
        ]


def _settle(row: _Row, run: _Run, rss: int) -> None:
    """A run has ended: enter its change of RSS."""
    delta = rss - run.rss
    row.delta += delta
    before, after = run.before, run.after
    if before is None or after is None:
        row.unread += delta
        row.unexplained += delta
        return
    row.read_calls += 1
    for key, figures in after.items.items():
        _add(row.items, key, figures)
    for key, figures in before.items.items():
        _add(row.items, key, [-figure for figure in figures])
    row.unexplained += after.unexplained[0] - before.unexplained[0]
    counted = after.counter - before.counter
    _add(row.items, (TRACER, "at the edges of phases"), [delta - counted, 0, 0, 0])
    _add(row.items, (COUNTER, "less what smaps adds up to"), [counted - (after.total - before.total), 0, 0, 0])


def _items(items: dict[Key, Figures]) -> list[results.LedgerItem]:
    rows = [
        results.LedgerItem(
            category=category,
            owner=owner,
            bytes=figures[0],
            private_bytes=figures[1],
            evictable_bytes=figures[2],
            anonymous_bytes=figures[3],
        )
        for (category, owner), figures in items.items()
        if any(figures)
    ]
    return sorted(rows, key=lambda item: -abs(item.bytes))


def categories(items: Iterable[results.LedgerItem]) -> dict[str, int]:
    """Bytes by category, the biggest change first."""
    sums: dict[str, int] = {}
    for item in items:
        sums[item.category] = sums.get(item.category, 0) + item.bytes
    return dict(sorted(sums.items(), key=lambda entry: -abs(entry[1])))
