"""What `imports` shows: the imported modules as a tree, cut down to what is worth a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .. import results

_PASSES_ON = 0.9  # of what a module costs with its imports: where one of these has as much, the two share a line
_LIBRARY_CATEGORIES = ("file", "model file")


class ImportCost(results.Result, kw_only=True):
    """What importing some modules costs in an interpreter that has imported nothing else; the JSON of `imports`."""

    format: Literal["fwmemtrace-imports"] = "fwmemtrace-imports"
    version: int = 1
    modules: list[str]  # those that were asked for, in this order
    before_bytes: int  # RSS of the interpreter with the tracer in it
    rss_delta_bytes: int  # what RSS grew by
    peak_bytes: int
    wall_ns: int
    unaccounted_bytes: int  # part of the growth that happened while no import was open
    imports: list[results.Import]
    packages: list[results.ImportPackage]
    libraries: list[results.LedgerItem]  # resident pages of mapped files, by owner
    ledger: list[results.Ledger]  # a row a module that was asked for
    workers: list[results.Workers] = []
    notes: list[str] = []


def import_cost(report: results.TraceReport, modules: Sequence[str]) -> ImportCost:
    """Put together what a process that did nothing but import recorded.

    Args:
        report: of that process, with a phase for each module that was asked for.
        modules: these modules.
    """
    phases = [phase for phase in report.phases if phase.path]
    ledger = report.ledger or []
    for row in report.imports or []:
        row.asked_by = ""  # by us
    for package in report.import_packages or []:
        package.asked_by = ""
    return ImportCost(
        modules=list(modules),
        before_bytes=_first_rss(phases),
        rss_delta_bytes=sum(phase.resident.delta_bytes for phase in phases if phase.resident is not None),
        peak_bytes=max((phase.resident.peak_bytes for phase in phases if phase.resident is not None), default=0),
        wall_ns=sum(phase.wall_ns for phase in phases),
        unaccounted_bytes=sum(row.unaccounted_bytes for row in report.import_phases or []),
        imports=report.imports or [],
        packages=report.import_packages or [],
        libraries=_merged([item for row in ledger for item in row.items if item.category in _LIBRARY_CATEGORIES]),
        ledger=ledger,
        notes=report.trace.notes,
    )


def _first_rss(phases: Sequence[results.PhaseRow]) -> int:
    return next((phase.resident.before_bytes for phase in phases if phase.resident is not None), 0)


def _merged(items: Sequence[results.LedgerItem]) -> list[results.LedgerItem]:
    merged: dict[tuple[str, str], results.LedgerItem] = {}
    for item in items:
        found = merged.setdefault(
            (item.category, item.owner), results.LedgerItem(category=item.category, owner=item.owner, bytes=0)
        )
        found.bytes += item.bytes
        found.private_bytes += item.private_bytes
        found.evictable_bytes += item.evictable_bytes
        found.anonymous_bytes += item.anonymous_bytes
    return sorted(merged.values(), key=lambda item: -item.bytes)


@dataclass(slots=True)
class Node:
    """A module, and those that were first imported while its code ran, the most expensive first.

    Attributes:
        row: the module.
        children: what it imported.
        through: modules that it stands for too: each imported the next, and the last one `row`, and little else.
    """

    row: results.Import
    children: list[Node] = field(default_factory=list)
    through: list[results.Import] = field(default_factory=list)

    @property
    def own_bytes(self) -> int:
        """Of the module, and of those that it stands for."""
        return self.row.own_bytes + sum(row.own_bytes for row in self.through)

    @property
    def own_ns(self) -> int:
        """Of the module, and of those that it stands for."""
        return self.row.own_ns + sum(row.own_ns for row in self.through)

    @property
    def whole(self) -> results.Import:
        """The outermost of the modules, whose cumulative figures hold for all of them."""
        return self.through[0] if self.through else self.row

    def below(self) -> Iterator[Node]:
        """All modules under this one."""
        waiting = list(self.children)
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(node.children)


@dataclass(frozen=True, slots=True)
class ImportLine:
    """One line of the tree.

    Attributes:
        guide: what is drawn before the name.
        node: the module; None for the line that stands for several.
        hidden: how many modules such a line stands for.
        hidden_bytes: the sum of their own bytes.
        hidden_ns: of their own time.
    """

    guide: str
    node: Node | None
    hidden: int = 0
    hidden_bytes: int = 0
    hidden_ns: int = 0


def tree(rows: Sequence[results.Import]) -> list[Node]:
    """The modules that nobody's code imported while it was imported itself, with all the others under them."""
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
    """The same tree with a line for each chain of modules that only pass on to the next one."""
    through: list[results.Import] = []
    children = node.children
    while (
        children
        and children[0].row.cumulative_bytes > 0
        and children[0].row.cumulative_bytes >= _PASSES_ON * node.row.cumulative_bytes
        and node.row.own_bytes < (1 - _PASSES_ON) * node.row.cumulative_bytes
    ):
        through.append(node.row)
        node, others = children[0], children[1:]
        children = sorted([*node.children, *others], key=_weight)
    return Node(node.row, [squeeze(child) for child in children], through)


def _leads_to(node: Node, wanted: Node, nodes: dict[str, Node]) -> bool:
    """Whether a module's ancestors, or it itself, include the wanted one: a ring, where modules were loaded again."""
    seen = set()
    current: Node | None = node
    while current is not None and current.row.module not in seen:
        if current is wanted:
            return True
        seen.add(current.row.module)
        current = nodes.get(current.row.parent) if current.row.parent is not None else None
    return current is not None


def _weight(node: Node) -> tuple[int, int]:
    return -node.whole.cumulative_bytes, -node.whole.wall_ns


def lines(roots: Sequence[Node], top: int, depth: int | None = None) -> list[ImportLine]:
    """Draw the tree with the most expensive modules, by cumulative bytes; what is left out is summed up in its place.

    Args:
        roots: as `tree` gives them, squeezed or not.
        top: how many modules to show.
        depth: how many levels, None for as many as there are.
    """
    shown = _most_expensive(roots, top, depth)
    drawn: list[ImportLine] = []

    def draw(nodes: Sequence[Node], below: str, *, outermost: bool = False) -> None:
        visible = [node for node in nodes if node.row.module in shown]
        hidden = [node for node in nodes if node.row.module not in shown]
        for number, node in enumerate(visible):
            last = number == len(visible) - 1 and not hidden
            drawn.append(ImportLine("" if outermost else below + ("└ " if last else "├ "), node))
            draw(node.children, "" if outermost else below + ("  " if last else "│ "))
        if hidden:
            drawn.append(_rest("" if outermost else below + "└ ", hidden))

    draw(roots, "", outermost=True)
    return drawn


def _most_expensive(roots: Sequence[Node], top: int, depth: int | None) -> set[str]:
    """The modules to show: always one whose parent is shown, the most expensive of those first."""
    shown: set[str] = set()
    candidates = [(node, 1) for node in roots]
    while candidates and len(shown) < top:
        best = min(range(len(candidates)), key=lambda number: _weight(candidates[number][0]))
        node, level = candidates.pop(best)
        shown.add(node.row.module)
        if depth is None or level < depth:
            candidates.extend((child, level + 1) for child in node.children)
    return shown


def _rest(guide: str, nodes: Sequence[Node]) -> ImportLine:
    every = [each for node in nodes for each in (node, *node.below())]
    return ImportLine(
        guide,
        None,
        sum(1 + len(node.through) for node in every),
        sum(node.own_bytes for node in every),
        sum(node.own_ns for node in every),
    )
