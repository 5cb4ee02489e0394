"""What a report contains, of a suite or of a trace; each format writes it in its own way."""

from __future__ import annotations

from .. import results
from .advice import advice_section
from .base import Options
from .blocks import Document
from .suite.sections import suite_sections
from .summary import next_run_section
from .trace_sections import notes, trace_sections


def document_of(report: results.TraceReport, options: Options, *, timeline: bool = True) -> Document:
    """Returns the whole report.

    Args:
        report: the results.
        options: how many rows the tables have.
        timeline: whether RSS over time is part of it.
    """
    if report.suite is not None:
        sections = suite_sections(report.suite, top=options.top, verbose=options.verbose)
        return Document("Memory report of a suite", [*sections, *notes(report)])
    sections = trace_sections(report, top=options.top, timeline=timeline)
    return Document("Memory report", [*sections, *advice_section(report), *notes(report), *next_run_section(report)])
