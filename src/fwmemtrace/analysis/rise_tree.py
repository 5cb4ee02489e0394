"""The rises of RSS as a tree: functions of the program's own code, and the packages that they called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from .. import results
from ..capture.own_frames import is_program_code
from ..packages import package_of


@dataclass(slots=True)
class RiseNode:
    """A function of the program's own code, or a package.

    Attributes:
        name: of the function or package.
        line: the function's line that most of the bytes came from; None for a package.
        bytes: what RSS rose by in it, whatever it called included.
        at_peak_bytes: of that, what was not given back at the largest RSS.
        children: what it called, the largest first.
    """

    name: str
    line: results.Frame | None
    bytes: int = 0
    at_peak_bytes: int = 0
    children: list[RiseNode] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RiseRow:
    """One row of the tree.

    Attributes:
        guide: the lines of the tree in front of the name.
        node: the function or package; None for a row that sums up those that are not shown.
        hidden: how many rows that one sums up.
        bytes: see `RiseNode`.
        at_peak_bytes: see `RiseNode`.
    """

    guide: str
    node: RiseNode | None
    hidden: int
    bytes: int
    at_peak_bytes: int


class _Building:
    """A node to which stacks are still added."""

    def __init__(self) -> None:
        self.children: dict[tuple[str, str], _Building] = {}
        self.bytes = self.at_peak_bytes = 0
        self.lines: dict[int, int] = {}

    def built(self, name: str, file: str) -> RiseNode:
        children = [child.built(*key) for key, child in self.children.items()]
        line = None
        if self.lines:
            line = results.Frame(function=name, file=file, line=max(self.lines, key=lambda one: self.lines[one]))
        return RiseNode(name, line, self.bytes, self.at_peak_bytes, sorted(children, key=lambda child: -child.bytes))


def rise_tree(rises: Iterable[results.Rise]) -> list[RiseNode]:
    """Return the outermost functions and packages, the largest first; their bytes add up to those of the rises.

    Below the program's own functions is the innermost package that they called. Packages that call them, such as a web
    framework, are left out, and so are the standard library and fwmemtrace.
    """
    root = _Building()
    for rise in rises:
        node = root
        for name, file, line in _steps(rise.stack):
            node = node.children.setdefault((name, file), _Building())
            node.bytes += rise.bytes
            node.at_peak_bytes += rise.at_peak_bytes
            if line:
                node.lines[line] = node.lines.get(line, 0) + rise.bytes
    return root.built("", "").children


def _steps(stack: Sequence[results.Frame]) -> list[tuple[str, str, int]]:
    """Return name, file and line of each node on the way to a stack's innermost frame; packages have no file."""
    steps: list[tuple[str, str, int]] = []
    package = ""
    seen = set()
    for frame in reversed(stack):
        if is_program_code(frame.file):
            package = ""
            # A function that calls itself is one node, and so is one that comes back through others.
            if (frame.function, frame.file) not in seen:
                seen.add((frame.function, frame.file))
                steps.append((frame.function, frame.file, frame.line))
        else:
            package = package_of(frame.file) or package
    if package or not steps:
        steps.append((package or "standard library", "", 0))
    return steps


def rise_rows(roots: Sequence[RiseNode], top: int, least: int) -> list[RiseRow]:
    """Return the rows of the tree with the largest nodes; what is not shown is summed up where it belongs.

    Args:
        roots: from `rise_tree`.
        top: how many nodes to show.
        least: bytes that a node must have to be shown.
    """
    shown = set(map(id, _largest(roots, top, least)))
    rows: list[RiseRow] = []

    def draw(nodes: Sequence[RiseNode], below: str, edge: Callable[[bool], tuple[str, str]]) -> None:
        visible = [node for node in nodes if id(node) in shown]
        hidden = [node for node in nodes if id(node) not in shown]
        for number, node in enumerate(visible):
            guide, inner = edge(number == len(visible) - 1 and not hidden)
            rows.append(RiseRow(below + guide, node, 0, node.bytes, node.at_peak_bytes))
            draw(node.children, below + inner, _edge)
        # What a function of the program did itself needs no row: it is what its children leave.
        if hidden and (visible or edge is not _edge):
            sizes = sum(node.bytes for node in hidden), sum(node.at_peak_bytes for node in hidden)
            rows.append(RiseRow(below + edge(True)[0], None, len(hidden), *sizes))

    draw(roots, "", lambda last: ("", ""))
    return rows


def _edge(last: bool) -> tuple[str, str]:
    return ("└ ", "  ") if last else ("├ ", "│ ")


def _largest(roots: Sequence[RiseNode], top: int, least: int) -> Iterator[RiseNode]:
    """Yield the nodes to show: always the largest one among the roots and the children of those shown."""
    candidates = list(roots)
    for _ in range(top):
        node = max(candidates, key=lambda node: node.bytes, default=None)
        if node is None or node.bytes < least:
            return
        yield node
        candidates.remove(node)
        candidates.extend(node.children)
