"""A differential flame graph: stacks rooted at phases, as wide as they were, coloured by how they changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from ..paths import read
from ..results.diff import StackChange
from ..units import format_bytes
from .sites import short
from .visible import visible

_WIDTH, _ROW = 1200, 18
_NARROWEST = 0.6  # in pixels: what is narrower is left out
_LETTER = 6.5  # its width in pixels, about
_MOST_DEEP = 200


@dataclass
class _Node:
    name: str
    before: int = 0
    after: int = 0
    children: dict[str, _Node] = field(default_factory=dict)

    @property
    def width(self) -> int:
        return max(self.before, self.after, 0)


def flame_graph(stacks: Sequence[StackChange], title: str) -> str:
    """Returns stacks that changed as an SVG drawing, the roots at the top.

    Args:
        stacks: those of one process and metric.
        title: what the drawing shows.
    """
    root = _Node("all")
    for change in stacks:
        names = [*(read(change.path) or ("outside any phase",))]
        names += [_frame_name(frame.function, frame.file, frame.line) for frame in reversed(change.stack)]
        node = root
        _add(node, change)
        for name in names[:_MOST_DEEP]:
            node = node.children.setdefault(name, _Node(name))
            _add(node, change)
    drawn: list[str] = []
    # A parent is as wide as its children together, which is more than either side where some grew and others shrank.
    waiting = [(root, 0.0, float(_WIDTH), 0)]
    deepest = 0
    while waiting:
        node, x, width, depth = waiting.pop()
        if width < _NARROWEST:
            continue
        deepest = max(deepest, depth)
        drawn.append(_box(node, x, width, depth * _ROW))
        whole = max(sum(child.width for child in node.children.values()), node.width)
        for child in sorted(node.children.values(), key=lambda child: -child.width):
            part = width * child.width / whole if whole else 0
            waiting.append((child, x, part, depth + 1))
            x += part
    height = (deepest + 1) * _ROW
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(visible(title))}" '
        f'font-family="ui-monospace, monospace" font-size="11">{"".join(drawn)}</svg>'
    )


def _add(node: _Node, change: StackChange) -> None:
    node.before += max(change.bytes.before or 0, 0)
    node.after += max(change.bytes.after or 0, 0)


def _frame_name(function: str, file: str, line: int) -> str:
    return f"{function} {short(file)}:{line}".strip() if file else function


def _box(node: _Node, x: float, width: float, y: int) -> str:
    name = visible(node.name)
    change = node.after - node.before
    letters = int(width / _LETTER)
    shown = name if len(name) <= letters else f"{name[: letters - 1]}…" if letters > 2 else ""
    sizes = f"{format_bytes(node.before)} → {format_bytes(node.after)}, {format_bytes(change, signed=True)}"
    text = f'<text x="{x + 3:.1f}" y="{y + 13}" fill="#111" style="fill:#111">{escape(shown)}</text>' if shown else ""
    return (
        f'<g><title>{escape(name)}\n{sizes}</title><rect x="{x:.1f}" y="{y}" width="{max(width - 0.5, 0.5):.1f}" '
        f'height="{_ROW - 1}" fill="{_colour(change, node.width)}"/>{text}</g>'
    )


def _colour(change: int, width: int) -> str:
    """Returns orange for growth and blue for less, paler where less changed: the colour-blind can tell them."""
    share = min(abs(change) / width, 1.0) if width else 0.0
    if share < 0.01:
        return "#dddddd"
    base = (230, 126, 34) if change > 0 else (77, 148, 219)
    mixed = [round(235 + (part - 235) * (0.25 + 0.75 * share)) for part in base]
    return f"#{mixed[0]:02x}{mixed[1]:02x}{mixed[2]:02x}"
