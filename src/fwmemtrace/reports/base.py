"""The protocol of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .. import results


@dataclass(frozen=True, slots=True)
class Options:
    """How a report shall look.

    Attributes:
        width: characters a line, for those that are read in a terminal.
        colour: whether the terminal shows colours.
        top: rows of a table of top allocations.
    """

    width: int = 100
    colour: bool = False
    top: int = 5


class Report(Protocol):
    """Makes results readable."""

    def render(self, report: results.TraceReport, options: Options) -> str:
        """The whole report as text, ending with a line break."""
