"""The text of a comparison of two traces."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from ..analysis.comparison import BeforeAfter, PhaseChange
from ..units import format_bytes
from .base import Options


def render(changes: Sequence[PhaseChange], options: Options) -> str:
    """A table with a row a phase: RSS change and peak, before, after and what changed."""
    console = Console(file=io.StringIO(), width=options.width, force_terminal=options.colour, highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("phase", no_wrap=True, overflow="ellipsis")
    shown: list[tuple[str, Callable[[PhaseChange], BeforeAfter], bool]] = [
        ("RSS change", lambda change: change.delta_bytes, True),
        ("peak RSS", lambda change: change.peak_bytes, False),
    ]
    if any(change.native_live_bytes.change for change in changes):
        shown.append(("native live", lambda change: change.native_live_bytes, False))
    for title, _, _ in shown:
        for head in (f"{title}: before", "after", "differs by"):
            table.add_column(head, justify="right", no_wrap=True)
    for change in changes:
        cells = [cell for _, figure, signed in shown for cell in _cells(figure(change), signed)]
        table.add_row(change.path or "outside any phase", *cells)
    console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _cells(figure: BeforeAfter, signed: bool) -> list[str]:
    before, after = (
        "-" if size is None else format_bytes(size, signed=signed) for size in (figure.before, figure.after)
    )
    return [before, after, format_bytes(figure.change, signed=True)]
