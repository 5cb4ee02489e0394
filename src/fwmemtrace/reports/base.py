"""The protocol of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..results import TraceReport

__all__ = ["Options", "Report", "TraceReport"]


@dataclass(frozen=True, slots=True)
class Options:
    """How a report should look.

    Attributes:
        width: characters per line, for formats that are read in a terminal.
        colour: whether the terminal shows colours.
        top: rows of each table of top allocations.
        verbose: whether to show all evidence.
    """

    width: int = 100
    colour: bool = False
    top: int = 5
    verbose: bool = False


class Report(Protocol):
    """Turns results into text. Registered as an entry point of the group `fwmemtrace.reports`."""

    def render(self, report: TraceReport, options: Options) -> str:
        """Return the whole report, ending with a line break.

        Args:
            report: what analysis computed from the trace; docs/report.md lists its fields.
            options: how the report should look.
        """
