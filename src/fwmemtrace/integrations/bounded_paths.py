"""Paths of phases as label values, of which there can only be so many."""

from __future__ import annotations

from ..paths import PhasePath, write
from ..records import PhaseBegin

OTHER = "other"


class BoundedPaths:
    """Follows the phases that are open, and names each by its path; phases after the first so many share one name.

    Args:
        most: how many paths get a name of their own.
    """

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"{most} phases: at least one is needed")
        self._most = most
        self._open: dict[int, tuple[PhasePath, PhaseBegin]] = {}
        self._labels: dict[PhasePath, str] = {}

    def begin(self, record: PhaseBegin) -> str:
        """Return the label of a phase that begins."""
        parent = self._open.get(record.parent)
        path = (record.name,) if parent is None else (*parent[0], record.name)
        self._open[record.span] = path, record
        return self._label(path)

    def end(self, span: int) -> tuple[str, PhaseBegin] | None:
        """Return the label and the beginning of a phase that ends; None if its beginning was never seen."""
        found = self._open.pop(span, None)
        return None if found is None else (self._label(found[0]), found[1])

    def label(self, span: int) -> str:
        """Return the label of a phase that is open; "" for none."""
        found = self._open.get(span)
        return "" if found is None else self._label(found[0])

    def open_labels(self) -> list[str]:
        """Return the labels of the phases that are open, the latest first."""
        return [self._label(path) for path, _ in reversed(list(self._open.values()))]

    def clear(self) -> None:
        """Forget the open phases."""
        self._open = {}

    def _label(self, path: PhasePath) -> str:
        label = self._labels.get(path)
        if label is None:
            if len(self._labels) >= self._most:
                return OTHER
            label = self._labels[path] = write(path)
        return label
