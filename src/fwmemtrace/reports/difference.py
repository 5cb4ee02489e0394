"""Two traces side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..analysis.comparison import BeforeAfter, PhaseChange
from .blocks import Bytes, Code, Column, Document, Section, Sentence, Table

_Of = Callable[[PhaseChange], BeforeAfter]


def difference_document(changes: Sequence[PhaseChange]) -> Document:
    """Returns a table with a row for each phase: RSS change and peak RSS, before, after, and what changed."""
    shown: list[tuple[str, _Of, bool]] = [
        ("RSS change", lambda change: change.delta_bytes, True),
        ("peak RSS", lambda change: change.peak_bytes, False),
    ]
    if any(change.native_live_bytes.change for change in changes):
        shown.append(("native live", lambda change: change.native_live_bytes, False))
    columns = [Column("phase")]
    for title, _, _ in shown:
        columns += [Column(head, "right") for head in (f"{title} before", "after", "difference")]
    rows: list[list[Sentence]] = []
    for change in changes:
        cells = [cell for _, figure, signed in shown for cell in _cells(figure(change), signed)]
        rows.append([Code(change.path) if change.path else "outside any phase", *cells])
    return Document("Comparison of two traces", [Section("phases", "", [Table("phases", columns, rows)])])


def _cells(figure: BeforeAfter, signed: bool) -> list[Sentence]:
    before, after = ("-" if size is None else Bytes(size, signed) for size in (figure.before, figure.after))
    return [before, after, Bytes(figure.change, signed=True)]
