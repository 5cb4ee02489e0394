"""What keeps growing types alive: the chains of references in words, and as a graph in DOT's language."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from .. import results
from ..paths import PhasePath
from ..records import HolderStep, ObjectHolder, Record


class HoldersFold:
    """Takes the records of one process."""

    takes: ClassVar[tuple[type[Record], ...]] = (ObjectHolder,)

    def __init__(self) -> None:
        self._holders: list[results.Holder] = []

    def add(self, record: Record, path: PhasePath) -> None:
        """Take a record; those of other kinds are passed over."""
        if isinstance(record, ObjectHolder):
            self._holders.append(
                results.Holder(
                    type=record.type,
                    count=record.count,
                    delta_count=record.delta_count,
                    path=record.path,
                    root=record.root,
                    chain=[results.HolderStep(type=step.type, link=step.link, name=step.name) for step in record.chain],
                    words=words(record),
                    note=record.note,
                )
            )

    def result(self) -> list[results.Holder]:
        """One for each type that grew most, the first one first."""
        return list(self._holders)


def words(holder: ObjectHolder) -> str:
    """A chain as one sentence.

    >>> steps = [("builtins.module", "", "app"), ("builtins.list", ".SEEN"), ("app.Item", "[9]")]
    >>> words(ObjectHolder("app.Item", 10, 10, "request", "module", [HolderStep(*step) for step in steps]))
    'app.Item is held by module app: .SEEN (list), [9] (app.Item)'
    """
    chain = holder.chain
    first = _thing(chain[0]) if chain else ""
    rest = ", ".join(f"{step.link.strip()} ({_thing(step)})" for step in chain[1:])
    tail = f" ({holder.note})" if holder.note else ""
    if holder.root == "module":
        return f"{holder.type} is held by {first}: {rest}{tail}"
    if holder.root == "cycle":
        return (
            f"{holder.type} is in a reference cycle that no module leads to, so only the garbage collector frees it: "
            f"{first}, {rest}{tail}"
        )
    if holder.root == "unseen":
        via = f" through {first}" + (f", {rest}" if rest else "") if len(chain) > 1 else ""
        return f"{holder.type} is held{via} by a local variable of a running function or by C code{tail}"
    return f"what holds {holder.type} was not found{tail}"


def _thing(step: HolderStep) -> str:
    kind = step.type.removeprefix("builtins.")
    return f"{kind} {step.name}" if step.name else kind


def dot(holders: Iterable[results.Holder]) -> str:
    """The chains as a directed graph for Graphviz: an object a node, a reference an edge, the growing types marked."""
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
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
