"""What a report contains, of a suite or of a trace; each format writes it in its own way."""

from __future__ import annotations

from collections.abc import Iterable

from .. import results
from . import sections as old
from .base import Options
from .blocks import Block, Code, Column, Document, Inline, Listing, Prose, Section, Sentence, Table
from .suite.sections import suite_sections
from .trace_sections import notes, trace_sections


def document_of(report: results.TraceReport, options: Options, *, timeline: bool = True) -> Document:
    """Returns the whole report.

    Args:
        report: the results.
        options: how many rows the tables have.
        timeline: whether RSS over time is part of it.
    """
    if report.suite is not None:
        sections = suite_sections(report.suite, top=options.top)
        return Document("Memory report of a suite", [*sections, *_new(notes(report))])
    return Document(
        "Memory report",
        [*_new(trace_sections(report, top=options.top, timeline=timeline)), *_new(notes(report))],
    )


# Until the suite's sections are made of blocks.
def _new(sections: Iterable[old.Section | Section]) -> list[Section]:
    return [section if isinstance(section, Section) else _section(section, at) for at, section in enumerate(sections)]


def _section(section: old.Section, at: int) -> Section:
    blocks: list[Block] = []
    if section.sentences:
        blocks.append(Prose("text", [_sentence(text) for text in section.sentences]))
    for number, grid in enumerate(section.grids):
        columns = [Column(head, "right" if place in grid.right else "left") for place, head in enumerate(grid.heads)]
        rows = [[_sentence(cell) for cell in row] for row in grid.rows]
        blocks.append(Table(f"table-{number}", columns, rows, _sentence(grid.title)))
    if section.items:
        blocks.append(Listing("items", [_sentence(item) for item in section.items]))
    return Section(f"section-{at}", _sentence(section.title), blocks, section.level)


def _sentence(text: str) -> Sentence:
    words: list[Inline] = [Code(part) if number % 2 else part for number, part in enumerate(text.split("`"))]
    return words if len(words) > 1 else text
