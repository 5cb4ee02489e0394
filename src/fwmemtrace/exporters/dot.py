"""What keeps growing types alive, as a graph in the DOT language: `dot -Tsvg` draws it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .. import results
from ..analysis.holders import HoldersFold
from ..errors import TraceFileError
from ..paths import OUTSIDE
from ..values import visible
from .base import TraceLike


class DotExporter:
    """Writes the chains of references that the probe `objects` found."""

    def export(self, trace: TraceLike, out_path: Path) -> None:
        """Write the graph.

        Raises:
            TraceFileError: if the trace has no chain of references.
            OSError: if the file cannot be written.
        """
        fold = HoldersFold()
        for record in trace:
            if isinstance(record, fold.takes):
                fold.add(record, OUTSIDE)
        holders = fold.result()
        if not holders:
            raise TraceFileError(
                "the trace has no chain of references; trace with the probe objects, and run a phase in which a type "
                "grows more than once"
            )
        out_path.write_text(dot(holders), encoding="utf-8")


def dot(holders: Iterable[results.Holder]) -> str:
    """Returns the chains as a graph: a node for each object, an edge for each reference, growing types filled."""
    lines = ["digraph holders {", "  rankdir=LR;", '  node [shape=box, fontname="sans-serif"];']
    for number, holder in enumerate(holders):
        last = len(holder.chain) - 1
        for place, step in enumerate(holder.chain):
            kind = step.type.removeprefix("builtins.")
            label = f"{kind} {step.name}" if step.name else kind
            style = ', style=filled, fillcolor="#ffd0d0"' if place == last else ""
            if place == last and holder.root == "cycle" and last:
                lines.append(f"  n{number}_{last - 1} -> n{number}_0 [label={_quoted(step.link.strip())}];")
                continue
            lines.append(f"  n{number}_{place} [label={_quoted(label)}{style}];")
            if place:
                lines.append(f"  n{number}_{place - 1} -> n{number}_{place} [label={_quoted(step.link.strip())}];")
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    escaped = visible(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
