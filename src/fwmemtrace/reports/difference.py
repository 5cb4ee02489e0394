"""Two traces side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from ..paths import nearest
from ..results.diff import BeforeAfter, Comparison, PhaseChange, ProcessChange, StackChange
from .blocks import (
    Block,
    Bytes,
    Code,
    Column,
    Count,
    Document,
    Drawing,
    Guide,
    Inline,
    Listing,
    Prose,
    Section,
    Sentence,
    Table,
    counted,
    parts,
)
from .difference_words import ARROW, difference_words, frame_words, line_words, noise_words
from .flame import flame_graph
from .tree import guide

_Of: TypeAlias = Callable[[PhaseChange], BeforeAfter]

_STACK_METRICS = {"rises": "RSS rises", "native live": "native live", "python heap": "Python heap"}
_FIGURES: list[tuple[str, _Of, bool, bool]] = [  # title, figure, whether it is a change, whether its noise is known
    ("RSS change", lambda phase: phase.delta_bytes, True, False),
    ("RSS change without inner phases", lambda phase: phase.own_bytes, True, True),
    ("peak RSS", lambda phase: phase.peak_bytes, False, False),
    ("native live", lambda phase: phase.native_live_bytes, False, False),
    ("Python heap without inner phases", lambda phase: phase.python_heap_bytes, True, False),
    ("tensors without inner phases", lambda phase: phase.tensor_bytes, True, False),
]
_FRAMES = 3
_MOST_PHASES = 500  # of a process: larger tables take seconds to lay out, and are not read


def difference_document(comparison: Comparison, top: int = 10) -> Document:
    """Returns the comparison: differences beyond noise first, then processes, phases, kinds of memory and stacks.

    Args:
        comparison: the results.
        top: rows of the list of differences, and of each table of kinds and stacks.
    """
    several = len(comparison.processes) > 1
    sections = [Section("differences", "Differences", list(_differences(comparison, top, several)))]
    sections.append(Section("processes", "Processes", [_process_table(comparison.processes)]))
    for number, process in enumerate(comparison.processes):
        shown = _shown_phases(process.phases)
        blocks: list[Block] = list(_phase_tables(msgspec.structs.replace(process, phases=shown)))
        if len(shown) < len(process.phases):
            left_out = counted(len(process.phases) - len(shown), "phase")
            blocks.insert(0, Prose("left-out", [[*left_out, " within noise left out; the JSON format has all."]]))
        kinds = _kind_table(process, top)
        if kinds is not None:
            blocks.append(kinds)
        title: Sentence = ["Phases of ", Code(process.name)] if several else "Phases"
        sections.append(Section(f"phases-{number}" if number else "phases", title, blocks))
    if comparison.stacks:
        blocks = [_stack_table(comparison.stacks, top, several), *_flame_graphs(comparison.stacks)]
        sections.append(Section("stacks", "Stacks", blocks))
    return Document("Comparison of two traces", sections)


def _differences(comparison: Comparison, top: int, several: bool) -> Iterator[Block]:
    found = comparison.differences
    if not found:
        yield Prose("none", ["No difference beyond noise.", noise_words(comparison)])
        return
    yield Listing("differences", [difference_words(one, several) for one in found[:top]])
    rest: list[Sentence] = [[*counted(len(found) - top, "smaller difference"), "."]] if len(found) > top else []
    yield Prose("noise", [*rest, noise_words(comparison)])


def _process_table(processes: Sequence[ProcessChange]) -> Table:
    columns = [Column("process"), *(Column(head, "right") for head in ("before", "after", "difference", "noise"))]
    rows: list[list[Sentence]] = []
    for process in processes:
        pids = f" {_or_dash(process.pids.before)}{ARROW}{_or_dash(process.pids.after)}"
        noise: Sentence = ["±", Bytes(process.noise_bytes)]
        rows.append([[Code(process.name), pids], None, None, None, None])
        rows.append([[Guide("├ "), "peak RSS"], *_cells(process.peak_bytes), noise])
        rows.append([[Guide("└ "), "RSS at the end"], *_cells(process.end_bytes), noise])
    return Table("processes", columns, rows)


def _or_dash(number: int | None) -> str:
    return "-" if number is None else str(number)


def _shown_phases(phases: Sequence[PhaseChange]) -> list[PhaseChange]:
    """Returns all phases if there are not too many, else the outermost ones and those that differ beyond noise."""
    if len(phases) <= _MOST_PHASES:
        return list(phases)
    changed = [phase.names for phase in phases if abs(phase.own_bytes.change) > phase.noise_bytes][:_MOST_PHASES]
    kept = {path[:length] for path in changed for length in range(1, len(path) + 1)}
    return [phase for phase in phases if len(phase.names) < 2 or phase.names in kept]


def _phase_tables(process: ProcessChange) -> Iterator[Table]:
    """Yields a table for each figure, since all of them side by side are wider than a terminal."""
    for title, of, signed, has_noise in _FIGURES:
        if not has_noise and title != "peak RSS" and not any(of(phase).change for phase in process.phases):
            continue
        heads = ("before", "after", "difference", *(["noise"] if has_noise else []))
        rows: list[list[Sentence]] = []
        for phase, name in _drawn(process.phases):
            noise: list[Sentence] = [["±", Bytes(phase.noise_bytes)]] if has_noise else []
            rows.append([name, *_cells(of(phase), signed=signed), *noise])
        columns = [Column("phase"), *(Column(head, "right") for head in heads)]
        yield Table(title.replace(" ", "-").lower(), columns, rows, title=title)
    if any(phase.calls.change for phase in process.phases):
        columns = [Column("phase"), *(Column(head, "right") for head in ("before", "after", "difference"))]
        rows = [
            [
                name,
                *(None if size is None else Count(size) for size in (phase.calls.before, phase.calls.after)),
                Count(phase.calls.change, signed=True),
            ]
            for phase, name in _drawn(process.phases)
            if phase.path
        ]
        yield Table("calls", columns, rows, title="Calls")


def _drawn(phases: Sequence[PhaseChange]) -> Iterator[tuple[PhaseChange, list[Inline]]]:
    """Yields each phase with its name as it stands in the tree, and what became of it."""
    known = {phase.names for phase in phases if phase.path}
    last: dict[tuple[str, ...], tuple[str, ...]] = {}
    for phase in phases:
        if phase.path:
            last[nearest(phase.names, known)] = phase.names
    for phase in phases:
        if not phase.path:
            yield phase, ["outside any phase"]
            continue
        ends: list[bool] = []
        path = phase.names
        while around := nearest(path, known):
            ends.insert(0, last[around] == path)
            path = around
        name: list[Inline] = [guide(ends), Code(phase.name)]
        if phase.status == "renamed" and phase.renamed_from is not None:
            name += [" (was ", Code(phase.renamed_from), ")"]
        elif phase.status != "kept":
            name.append(" (new)" if phase.status == "added" else " (gone)")
        yield phase, name


def _cells(figure: BeforeAfter, *, signed: bool = False) -> list[Sentence]:
    before, after = ("-" if size is None else Bytes(size, signed) for size in (figure.before, figure.after))
    return [before, after, Bytes(figure.change, signed=True)]


def _kind_table(process: ProcessChange, top: int) -> Table | None:
    found = [(phase, line) for phase in process.phases for line in phase.lines]
    if not found:
        return None
    found.sort(key=lambda one: -abs(one[1].bytes.change))
    columns = [Column("phase, without inner phases: line")]
    columns += [Column(head, "right") for head in ("before", "after", "difference", "noise")]
    rows: list[list[Sentence]] = [
        [
            [Code(phase.path) if phase.path else "outside any phase", ": ", *parts(line_words(kind))],
            *_cells(kind.bytes, signed=True),
            ["±", Bytes(kind.noise_bytes)],
        ]
        for phase, kind in found[:top]
    ]
    return Table("kinds", columns, rows, title="Ledger lines that differ beyond noise")


def _flame_graphs(stacks: Sequence[StackChange]) -> Iterator[Drawing]:
    for process, metric in dict.fromkeys((change.process, change.metric) for change in stacks):
        title = f"{_STACK_METRICS[metric]} of {process}: orange grew, blue shrank; as wide as the larger of both"
        chosen = [change for change in stacks if (change.process, change.metric) == (process, metric)]
        yield Drawing(f"flame-{process}-{metric}", title, flame_graph(chosen, title))


def _stack_table(stacks: Sequence[StackChange], top: int, several: bool) -> Table:
    columns = [Column(head, "right") for head in ("before", "after", "difference")]
    columns += [Column("figure"), *([Column("process")] if several else []), Column("phase"), Column("stack")]
    rows: list[list[Sentence]] = []
    for change in stacks[:top]:
        stack: list[Inline] = []
        for number, frame in enumerate(change.stack[:_FRAMES]):
            stack += [" < " if number else "", *frame_words(frame.function, frame.file, frame.line)]
        rows.append(
            [
                *_cells(change.bytes),
                _STACK_METRICS[change.metric],
                *([Code(change.process)] if several else []),
                Code(change.path) if change.path else "outside any phase",
                stack,
            ]
        )
    return Table("stacks", columns, rows)
