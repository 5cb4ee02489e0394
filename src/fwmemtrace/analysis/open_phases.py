"""Resolves a record's span number to the phase it belongs to, within limits that keep the report of any trace small.

A program may nest a phase in itself a thousand times, or name one for each request, and a trace may come from anywhere.
Phases beyond `MOST_LEVELS` have no rows: they count as part of the phase around them. Beyond `MOST_PATHS`, those of one
parent share a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from ..paths import OUTSIDE, PhasePath
from ..records import AttributeValue, PhaseBegin, PhaseEnd

MOST_LEVELS = 128
MOST_PATHS = 20_000
LONGEST_NAME = 17_000  # characters: what is recorded, with the words behind a name that was cut
_LONGEST_PATH = 34_000  # characters of all names
_MOST_TEXT = 8_000_000  # characters of all paths
UNNAMED, OTHERS = "(unnamed)", "(other phases)"


class _Node:
    """A phase path, and those directly inside it."""

    __slots__ = ("children", "length", "path")

    def __init__(self, path: PhasePath, length: int) -> None:
        self.path = path
        self.length = length
        self.children: dict[str, _Node] = {}


@dataclass(slots=True)
class OpenPhase:
    """One call of a phase that has begun and not ended.

    Attributes:
        path: the path of the phase.
        begin: its begin record.
        parent: the call around it that was open when it began, if any.
        node: the path in the tree of all paths.
        tracer_bytes: RSS that probes left behind at the edges of phases inside it.
        attributes: those that it got while it ran, if any.
    """

    path: PhasePath
    begin: PhaseBegin
    parent: OpenPhase | None
    node: _Node
    tracer_bytes: int = 0
    attributes: dict[str, AttributeValue] | None = None


class OpenPhases:
    """The phases that are open while the records of a process go by, in the order in which they began.

    Attributes:
        by_span: the open phases by their span number; for a call that has no row, the phase around it.
        without_row: the number of calls that have no row.
    """

    def __init__(self) -> None:
        self.by_span: dict[int, OpenPhase] = {}
        self.without_row = 0
        self._root = _Node(OUTSIDE, 0)
        self._paths = 0
        self._text = 0

    @property
    def too_many(self) -> bool:
        """Whether phases share a row because there are too many."""
        return self._paths >= MOST_PATHS or self._text >= _MOST_TEXT

    def begin(self, record: PhaseBegin) -> OpenPhase | None:
        """Add the phase that a begin record opens; None if it has no row, as it is nested too deeply."""
        parent = self.by_span.get(record.parent)
        around = self._root if parent is None else parent.node
        node = around.children.get(record.name)
        if node is None:
            node = self._new(around, record.name)
        self.by_span.pop(record.span, None)  # so that the order is that of the begins
        if node is around and parent is not None:
            self.by_span[record.span] = parent
            self.without_row += 1
            return None
        opened = self.by_span[record.span] = OpenPhase(node.path, record, parent, node)
        return opened

    def has_row(self, span: int) -> bool:
        """Tell whether a span is not that of a call inside another one that counts for it."""
        found = self.by_span.get(span)
        return found is None or found.begin.span == span

    def end(self, record: PhaseEnd) -> None:
        """Remove the phase that an end record closes; nothing happens if its begin record was damaged."""
        self.by_span.pop(record.span, None)

    def calls(self) -> Iterator[OpenPhase]:
        """Yield each open call that has a row, in the order in which they began."""
        for span, found in self.by_span.items():
            if found.begin.span == span:
                yield found

    def path(self, span: int) -> PhasePath:
        """Return the path of an open phase, or `OUTSIDE` for a span that is not open."""
        found = self.by_span.get(span)
        return OUTSIDE if found is None else found.path

    def latest(self) -> OpenPhase | None:
        """Return the open phase that began last, or None."""
        return next(reversed(self.by_span.values()), None)

    def _new(self, around: _Node, name: str) -> _Node:
        """Return the node of a name that is not yet known there; `around` itself if it gets none."""
        name = name[:LONGEST_NAME] or UNNAMED
        length = around.length + len(name) + 1
        if len(around.path) >= MOST_LEVELS or (length > _LONGEST_PATH and around is not self._root):
            return around
        if name not in around.children and self.too_many:
            if around.path and around.path[-1] == OTHERS:
                return around
            name = OTHERS
            length = around.length + len(name) + 1
        if name not in around.children:
            around.children[name] = _Node((*around.path, name), length)
            self._paths += 1
            self._text += length
        return around.children[name]


def limited(names: Iterable[str]) -> PhasePath:
    """Return the path of these names, with no more levels and no longer names than others have in a report."""
    return tuple(name[:LONGEST_NAME] or UNNAMED for name in islice(names, MOST_LEVELS))
