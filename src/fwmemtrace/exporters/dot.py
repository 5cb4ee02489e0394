"""What keeps growing types alive, as a graph in DOT's language: `dot -Tsvg` draws it."""

from __future__ import annotations

from pathlib import Path

from ..analysis.holders import HoldersFold, dot
from ..errors import TraceFileError
from ..paths import OUTSIDE
from .base import TraceLike


class DotExporter:
    """Writes the chains of references that a session with the probe `objects` found."""

    def export(self, trace: TraceLike, out_path: Path) -> None:
        fold = HoldersFold()
        for record in trace:
            if isinstance(record, fold.takes):
                fold.add(record, OUTSIDE)
        holders = fold.result()
        if not holders:
            raise TraceFileError(
                "found no chain of references in the trace, expected one: trace with the probe objects a program in "
                "which a phase runs more than once and a type grows"
            )
        out_path.write_text(dot(holders), encoding="utf-8")
