"""Collects the chains of references that keep objects of growing types alive."""

from __future__ import annotations

from typing import ClassVar

from .. import results
from ..paths import PhasePath
from ..records import ObjectHolder, Record


class HoldersFold:
    """Collects one chain for each type that grew."""

    takes: ClassVar[tuple[type[Record], ...]] = (ObjectHolder,)

    def __init__(self) -> None:
        self._holders: list[results.Holder] = []

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record; kinds that are not in `takes` are ignored."""
        if isinstance(record, ObjectHolder):
            self._holders.append(
                results.Holder(
                    type=record.type,
                    count=record.count,
                    delta_count=record.delta_count,
                    path=record.path,
                    root=record.root,
                    chain=[results.HolderStep(type=step.type, link=step.link, name=step.name) for step in record.chain],
                    note=record.note,
                )
            )

    def result(self) -> list[results.Holder]:
        """Return the chains in the order of their records; `words` is left to reports."""
        return list(self._holders)
