"""What a report says, as sections that each format writes in its own way: of a suite or of a trace."""

from __future__ import annotations

from .. import results
from .base import Options
from .sections import Section
from .suite.sections import suite_sections
from .trace_sections import notes, trace_sections


def title_of(report: results.TraceReport) -> str:
    """The heading over all."""
    return "Memory report" if report.suite is None else "Memory report of a suite"


def sections_of(report: results.TraceReport, options: Options, *, timeline: bool = True) -> list[Section]:
    """All sections, in their order."""
    if report.suite is not None:
        return [*suite_sections(report.suite, top=options.top), *notes(report)]
    return [*trace_sections(report, top=options.top, timeline=timeline), *notes(report)]
