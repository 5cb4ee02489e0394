"""The figures of one process by phase, without those of inner phases, and how far they vary by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ... import results
from ...paths import OUTSIDE, PhasePath, nearest
from .sides import ProcessView

Figures: TypeAlias = dict[str, int]  # by name, in bytes; without those that were not measured

Line: TypeAlias = tuple[str, str]  # category and owner

UNEXPLAINED = "unexplained"
# Kinds of memory that tell how the allocator and the tracer fared rather than what the program did.
BYSTANDERS = frozenset({"allocator free", "tracer", "kernel counter"})

# How much of a kind of memory may differ between two runs that do the same. What is mapped of files depends on the page
# cache, and what malloc keeps on the order of frees; the program's own memory hardly varies.
_SHARES = {
    "file": 0.05,
    "model file": 0.05,
    "allocator free": 0.5,
    "tracer": 1.0,
    "kernel counter": 1.0,
    UNEXPLAINED: 0.05,
}
_SHARE = 0.01
# Where the kinds of memory were not measured, free memory that malloc keeps cannot be told from the rest.
_SHARE_UNKNOWN = 0.03
_LEAST_UNKNOWN = 2_500_000
_MOST_UNKNOWN = 10_000_000
_LEAST = 1_500_000  # arenas and stacks of threads, and pages around those that were touched
_LEAST_OF_A_KIND = 1_000_000
_EACH_CALL = 16_384  # which of two calls touches a page first is accidental
_MOST_OF_CALLS = 3_000_000


@dataclass
class PhaseFigures:
    """The figures of one phase in one run.

    Attributes:
        figures: by the name of the field in `PhaseChange`; inner concurrent phases have none without inner phases.
        kinds: RSS change by kind of memory, phases inside it left out.
        lines: the same by category and owner.
        noise_bytes: a guess at how far `own_bytes` varies from run to run.
        concurrent: whether it ran at the same time as another phase.
    """

    figures: Figures = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    lines: dict[Line, int] = field(default_factory=dict)
    noise_bytes: int = _LEAST
    concurrent: bool = False


def figures_of(view: ProcessView) -> dict[PhasePath, PhaseFigures]:
    """Return the figures of all phases of a process; `OUTSIDE` has those of what happened in no phase."""
    rows = {row.names: row for row in view.phases}
    concurrent = _concurrent(rows, view.process.wall_ns)
    # The changes of concurrent phases have each other's in them, so they tell nothing about the phase around them.
    telling = {path: None for path in rows if len(path) < 2 or path not in concurrent}
    found = {path: PhaseFigures(_figures(row), concurrent=path in concurrent) for path, row in rows.items()}
    own: list[tuple[str, Callable[[results.PhaseRow], int | None]]] = [
        ("own_bytes", lambda row: None if row.resident is None else row.resident.delta_bytes),
        ("python_heap_bytes", lambda row: None if row.python_heap is None else row.python_heap.delta_bytes),
        ("tensor_bytes", lambda row: None if row.tensors is None else row.tensors.delta_bytes),
    ]
    for name, of in own:
        known = {path: size for path in telling if (size := of(rows[path])) is not None}
        for path, size in _without_inner(known).items():
            found[path].figures[name] = size
    if view.ledger is not None:
        for path, lines in _own_lines([entry for entry in view.ledger if entry.names in telling]).items():
            phase = found[path]
            phase.lines = lines
            for (category, _), size in lines.items():
                phase.kinds[category] = phase.kinds.get(category, 0) + size
    for path in sorted(found, key=len, reverse=True):
        phase = found[path]
        phase.noise_bytes += _noise(phase, view.process.overlap_bytes if path in concurrent else 0)
        around = nearest(path, telling) if path in telling else OUTSIDE
        if around:  # whose own change is what this one leaves of it
            found[around].noise_bytes += (phase.noise_bytes - _LEAST) // 2
    return found


def kind_noise(category: str, size: int) -> int:
    """Return how far the change of one kind of memory varies from run to run, as a guess.

    Args:
        category: the kind.
        size: its change, in bytes.
    """
    return _LEAST_OF_A_KIND + round(abs(size) * _SHARES.get(category, _SHARE))


def process_noise(size: int) -> int:
    """Return how far the RSS of a whole process varies from run to run, as a guess."""
    return 2 * _LEAST + round(abs(size) * _SHARE_UNKNOWN)


def _figures(row: results.PhaseRow) -> Figures:
    figures = {"calls": row.calls, "wall_ns": row.wall_ns}
    if row.resident is not None:
        figures["delta_bytes"] = row.resident.delta_bytes
        figures["peak_bytes"] = row.resident.peak_bytes
        figures["above_start_bytes"] = row.resident.peak_bytes - row.resident.before_bytes
    if row.native is not None:
        figures["native_live_bytes"] = row.native.live_bytes
    return figures


def _without_inner(sizes: Mapping[PhasePath, int]) -> dict[PhasePath, int]:
    """Subtract from each phase what the phases directly inside it have."""
    own = dict(sizes)
    for path, size in sizes.items():
        around = nearest(path, sizes) if path else OUTSIDE
        if around:
            own[around] -= size
    return own


def _own_lines(ledger: Iterable[results.Ledger]) -> dict[PhasePath, dict[Line, int]]:
    """Return the lines of each phase's ledger, without what the phases inside it have in theirs."""
    paths = []
    whole: dict[PhasePath, dict[Line, int]] = {}
    for entry in ledger:
        paths.append(entry.names)
        lines = whole[entry.names] = {(UNEXPLAINED, ""): entry.unexplained_bytes}
        for item in entry.items:
            line = item.category, item.owner
            lines[line] = lines.get(line, 0) + item.bytes
    own = {path: dict(lines) for path, lines in whole.items()}
    for path in paths:
        around = nearest(path, whole) if path else OUTSIDE
        if around:
            for line, size in whole[path].items():
                own[around][line] = own[around].get(line, 0) - size
    return own


def _concurrent(rows: Mapping[PhasePath, results.PhaseRow], wall_ns: int) -> set[PhasePath]:
    """Return the phases that ran at the same time as others inside the same phase, or in the same process.

    They took more time together than what is around them. Phases inside them may have run one after the other, as what
    tasks do between two awaits, so they are judged by themselves.
    """
    children: dict[PhasePath, list[PhasePath]] = {}
    for path in rows:
        if path:
            children.setdefault(nearest(path, rows), []).append(path)
    found: set[PhasePath] = set()
    for around in (OUTSIDE, *(path for path in rows if path)):
        if around and around in found and len(around) > 1:
            continue  # already judged with the phase around it
        whole = rows[around].wall_ns if around else wall_ns
        level = children.get(around, [])
        while level and sum(rows[path].wall_ns for path in level) > whole:
            found.update(level)
            level = [inner for path in level for inner in children.get(path, [])] if around else []
    return found


def _noise(phase: PhaseFigures, overlap_bytes: int) -> int:
    """Return how far the own change of a phase varies besides the least that it does."""
    if phase.kinds:
        moved = sum(abs(size) * _SHARES.get(kind, _SHARE) for kind, size in phase.kinds.items())
    else:
        share = abs(phase.figures.get("own_bytes", 0)) * _SHARE_UNKNOWN
        moved = min(_LEAST_UNKNOWN + share, _MOST_UNKNOWN)
    edges = min(phase.figures.get("calls", 0) * _EACH_CALL, _MOST_OF_CALLS)
    return edges + round(moved) + abs(overlap_bytes)
