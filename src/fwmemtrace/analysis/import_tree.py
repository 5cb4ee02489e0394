"""The imported modules as a tree, cut down to the most expensive ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .. import results

_PASSES_ON = 0.9  # a module and its only import share a line if the import has this share of the cumulative bytes

_MOST_LEVELS = 200  # more than any program has, and few enough for functions that call themselves at each


@dataclass(slots=True)
class Node:
    """A module, and the modules that it was the first to import, the most expensive first.

    Attributes:
        row: the module.
        children: the modules that it imported.
        through: modules that share its line, outermost first: each one imported only the next, the last one imported
            `row`, and they did little else.
    """

    row: results.Import
    children: list[Node] = field(default_factory=list)
    through: list[results.Import] = field(default_factory=list)

    @property
    def own_bytes(self) -> int:
        """Own bytes of all modules on the line."""
        return self.row.own_bytes + sum(row.own_bytes for row in self.through)

    @property
    def own_ns(self) -> int:
        """Own time of all modules on the line."""
        return self.row.own_ns + sum(row.own_ns for row in self.through)

    @property
    def whole(self) -> results.Import:
        """The outermost module on the line, whose cumulative figures include all others."""
        return self.through[0] if self.through else self.row

    def descendants(self) -> Iterator[Node]:
        """Yield all modules below this one."""
        waiting = list(self.children)
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(node.children)


@dataclass(frozen=True, slots=True)
class ImportLine:
    """One line of the tree.

    Attributes:
        ends: for each level below the outermost, whether the line belongs to the last entry of that level.
        node: the module; None for a line that sums up modules that are not shown.
        hidden: how many modules that line sums up.
        hidden_bytes: their own bytes.
        hidden_ns: their own time.
    """

    ends: tuple[bool, ...]
    node: Node | None
    hidden: int = 0
    hidden_bytes: int = 0
    hidden_ns: int = 0


def tree(rows: Sequence[results.Import]) -> list[Node]:
    """Return the modules that no other module imported, each with the modules below it."""
    nodes = {row.module: Node(row) for row in rows}
    roots = []
    for node in nodes.values():
        parent = nodes.get(node.row.parent) if node.row.parent is not None else None
        if parent is None or _leads_to(parent, node, nodes):
            roots.append(node)
        else:
            parent.children.append(node)
    for node in nodes.values():
        node.children.sort(key=_weight)
    return sorted(roots, key=_weight)


def squeeze(node: Node) -> Node:
    """Return the same tree with one line for each chain of modules that do little but import the next one.

    A module with several imports keeps a line of its own: folded into one of them, it would show the others below a
    module that never imported them.
    """
    through: list[results.Import] = []
    while (
        len(node.children) == 1
        and node.children[0].row.cumulative_bytes > 0
        and node.children[0].row.cumulative_bytes >= _PASSES_ON * node.row.cumulative_bytes
        and node.row.own_bytes < (1 - _PASSES_ON) * node.row.cumulative_bytes
    ):
        through.append(node.row)
        node = node.children[0]
    return Node(node.row, [squeeze(child) for child in node.children], through)


def lines(roots: Sequence[Node], top: int, depth: int | None = None) -> list[ImportLine]:
    """Return the lines of the tree with the most expensive modules, by cumulative bytes.

    Modules that are not shown are summed up where they belong.

    Args:
        roots: from `tree`, squeezed or not.
        top: how many modules to show.
        depth: how many levels to show; None for all.
    """
    shown = _most_expensive(roots, top, depth)
    collected: list[ImportLine] = []

    def collect(nodes: Sequence[Node], around: tuple[bool, ...] | None) -> None:
        visible = [node for node in nodes if node.row.module in shown]
        hidden = [node for node in nodes if node.row.module not in shown]
        for number, node in enumerate(visible):
            ends = () if around is None else (*around, number == len(visible) - 1 and not hidden)
            collected.append(ImportLine(ends, node))
            collect(node.children, ends)
        if hidden:
            collected.append(_sum_of(() if around is None else (*around, True), hidden))

    collect(roots, None)
    return collected


def _most_expensive(roots: Sequence[Node], top: int, depth: int | None) -> set[str]:
    """Return the modules to show: always the most expensive one among the roots and the children of those shown."""
    shown: set[str] = set()
    candidates = [(node, 1) for node in roots]
    while candidates and len(shown) < top:
        best = min(range(len(candidates)), key=lambda number: _weight(candidates[number][0]))
        node, level = candidates.pop(best)
        shown.add(node.row.module)
        if depth is None or level < depth:
            candidates.extend((child, level + 1) for child in node.children)
    return shown


def _sum_of(ends: tuple[bool, ...], nodes: Sequence[Node]) -> ImportLine:
    every = [each for node in nodes for each in (node, *node.descendants())]
    return ImportLine(
        ends,
        None,
        sum(1 + len(node.through) for node in every),
        sum(node.own_bytes for node in every),
        sum(node.own_ns for node in every),
    )


def _leads_to(node: Node, wanted: Node, nodes: dict[str, Node]) -> bool:
    """Return whether a module or one of its ancestors is the wanted one, or they form a ring, or are too many.

    Rings exist where modules were loaded more than once.
    """
    seen: set[str] = set()
    current: Node | None = node
    while current is not None and current.row.module not in seen:
        if current is wanted or len(seen) == _MOST_LEVELS:
            return True
        seen.add(current.row.module)
        current = nodes.get(current.row.parent) if current.row.parent is not None else None
    return current is not None


def _weight(node: Node) -> tuple[int, int]:
    return -node.whole.cumulative_bytes, -node.whole.wall_ns
