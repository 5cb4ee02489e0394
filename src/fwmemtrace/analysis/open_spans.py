"""Which phase a record's span number stands for."""

from __future__ import annotations

from dataclasses import dataclass

from ..paths import OUTSIDE, PhasePath
from ..records import PhaseBegin, PhaseEnd


@dataclass(slots=True)
class OpenSpan:
    """One run of a phase that has begun.

    Attributes:
        path: the phase's path.
        begin: its first record.
        parent: the run around it that was open then, if any.
        tracer_bytes: what probes left resident at the edges of phases inside it.
    """

    path: PhasePath
    begin: PhaseBegin
    parent: OpenSpan | None
    tracer_bytes: int = 0


class Spans:
    """The runs that are open while records go by, in the order they began."""

    def __init__(self) -> None:
        self.open: dict[int, OpenSpan] = {}

    def begin(self, record: PhaseBegin) -> OpenSpan:
        """Take in a run's first record."""
        parent = self.open.get(record.parent)
        path = (record.name,) if parent is None else (*parent.path, record.name)
        span = self.open[record.span] = OpenSpan(path, record, parent)
        return span

    def end(self, record: PhaseEnd) -> OpenSpan | None:
        """Take in a run's last record; None where damage took its first one."""
        return self.open.pop(record.span, None)

    def path(self, span: int) -> PhasePath:
        """The path of an open run; `OUTSIDE` for none."""
        found = self.open.get(span)
        return OUTSIDE if found is None else found.path

    def latest(self) -> OpenSpan | None:
        """The run that began last among those that are open."""
        return next(reversed(self.open.values()), None)
