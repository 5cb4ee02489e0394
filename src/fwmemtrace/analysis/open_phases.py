"""Resolves a record's span number to the phase it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from ..paths import OUTSIDE, PhasePath
from ..records import PhaseBegin, PhaseEnd


@dataclass(slots=True)
class OpenPhase:
    """One call of a phase that has begun and not ended.

    Attributes:
        path: the path of the phase.
        begin: its begin record.
        parent: the call around it that was open when it began, if any.
        tracer_bytes: RSS that probes left behind at the edges of phases inside it.
    """

    path: PhasePath
    begin: PhaseBegin
    parent: OpenPhase | None
    tracer_bytes: int = 0


class OpenPhases:
    """The phases that are open while the records of a process go by, in the order in which they began.

    Attributes:
        by_span: the open phases by their span number.
    """

    def __init__(self) -> None:
        self.by_span: dict[int, OpenPhase] = {}

    def begin(self, record: PhaseBegin) -> OpenPhase:
        """Add the phase that a begin record opens."""
        parent = self.by_span.get(record.parent)
        path = (record.name,) if parent is None else (*parent.path, record.name)
        opened = self.by_span[record.span] = OpenPhase(path, record, parent)
        return opened

    def end(self, record: PhaseEnd) -> None:
        """Remove the phase that an end record closes; nothing happens if its begin record was damaged."""
        self.by_span.pop(record.span, None)

    def path(self, span: int) -> PhasePath:
        """Return the path of an open phase, or `OUTSIDE` for a span that is not open."""
        found = self.by_span.get(span)
        return OUTSIDE if found is None else found.path

    def latest(self) -> OpenPhase | None:
        """Return the open phase that began last, or None."""
        return next(reversed(self.by_span.values()), None)
