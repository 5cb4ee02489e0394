"""The protocol of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..results import Details, TraceReport

__all__ = ["DetailedReport", "Options", "Report", "TraceReport"]


@dataclass(frozen=True, slots=True)
class Options:
    """How a report should look.

    Attributes:
        width: characters per line, for formats that are read in a terminal.
        colour: whether the terminal shows colours.
        top: rows of each table of top allocations.
        source: whether to include lines of source code, for formats that show them.
        verbose: whether to show all evidence.
    """

    width: int = 100
    colour: bool = False
    top: int = 5
    source: bool = True
    verbose: bool = False


class Report(Protocol):
    """Turns results into text. Registered as an entry point of the group `fwmemtrace.reports`."""

    def render(self, report: TraceReport, options: Options) -> str:
        """Return the whole report, ending with a line break.

        Args:
            report: what analysis computed from the trace; docs/report.md lists its fields.
            options: how the report should look.
        """


@runtime_checkable
class DetailedReport(Report, Protocol):
    """A report that shows more than the results: single calls, whole trees of stacks, readings over time."""

    def render_detailed(self, report: TraceReport, details: Details, options: Options) -> str:
        """Return the whole report, ending with a line break.

        Args:
            report: as for `Report.render`.
            details: what else is known of the trace.
            options: how the report should look.
        """
