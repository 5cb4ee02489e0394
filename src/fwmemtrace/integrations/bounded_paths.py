"""Paths of phases as text for other systems: label values, of which there can only be so many, and fields of logs."""

from __future__ import annotations

from ..paths import PhasePath, write
from ..records import PhaseBegin
from ..values import visible

OTHER = "other"
_LONGEST = 200  # characters of a label


def label_of(path: PhasePath) -> str:
    r"""Return a path as one line that UTF-8 can encode, and of a length that a table or a log has room for.

    A scrape fails as a whole where one label has a lone surrogate, and a line break would forge a line of a log.

    >>> print(label_of(("a/b", "two\nlines \ud800")), len(label_of(("x" * 10_000,))))
    a\/b/two\nlines \ud800 200
    """
    label = visible(write(path))
    half = (_LONGEST - 1) // 2
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1 - half]}…{label[-half:]}"


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
            label = self._labels[path] = label_of(path)
        return label
