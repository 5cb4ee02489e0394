"""Where RSS rose: the lines of the program's own code, and a tree of functions and packages."""

from __future__ import annotations

from collections.abc import Iterator

from .. import results
from ..analysis.rise_tree import RiseNode, rise_rows, rise_tree
from .blocks import Bytes, Code, Column, Guide, Inline, Section, Sentence, Table, counted
from .ledger_words import ledger_words
from .sites import short

_MIN_SHARE = 0.01  # of all rises: what is smaller is summed up


def rises_sections(report: results.TraceReport, process: results.Process, top: int) -> Iterator[Section]:
    """Yields where the RSS of a process rose, if a timeline recorded it.

    Args:
        report: the results.
        process: the process.
        top: rows of each table; the others are one row.
    """
    for rises in report.rises or []:
        if rises.pid == process.pid:
            tables = [*_lines(rises, top), _tree(rises, top)]
            yield Section(f"rises-{process.pid}", "RSS rises", [*tables])


_FIGURES = (Column("RSS rise", "right"), Column("at peak", "right"))


def _lines(rises: results.Rises, top: int) -> Iterator[Table]:
    least = _MIN_SHARE * rises.risen_bytes
    shown = [row for row in rises.lines if row.bytes >= least][:top]
    if not shown:
        return
    rows: list[list[Sentence]] = [
        [Bytes(row.bytes, signed=True), Bytes(row.at_peak_bytes), Code(_place(row.line)), *_ran(row)] for row in shown
    ]
    hidden = rises.lines[len(shown) :]
    if hidden:
        sizes = sum(row.bytes for row in hidden), sum(row.at_peak_bytes for row in hidden)
        rows.append([Bytes(sizes[0], signed=True), Bytes(sizes[1]), counted(len(hidden), "smaller item"), None, None])
    columns = [*_FIGURES, Column("line"), Column("what ran"), Column("memory")]
    yield Table("lines", _without_empty(columns, rows), rows, "Lines of your code")


def _without_empty(columns: list[Column], rows: list[list[Sentence]]) -> list[Column]:
    """Takes the last column away from columns and rows if it is empty."""
    if any(row[-1] for row in rows):
        return columns
    for row in rows:
        del row[-1]
    return columns[:-1]


def _ran(row: results.RiseLine) -> tuple[Sentence, Sentence]:
    """What ran, and what kind of memory it took if the ledger leaves no doubt."""
    memory = None if row.category is None else ledger_words(row.category, row.owner or "")
    return Code(row.package) if row.package else None, memory


def _tree(rises: results.Rises, top: int) -> Table:
    rows: list[list[Sentence]] = [
        [
            Bytes(row.bytes, signed=True),
            Bytes(row.at_peak_bytes),
            [Guide(row.guide), *(counted(row.hidden, "smaller item") if row.node is None else _name(row.node))],
        ]
        for row in rise_rows(rise_tree(rises.stacks), 2 * top, int(_MIN_SHARE * rises.risen_bytes))
    ]
    others: list[tuple[int, Sentence]] = [
        (rises.imported_bytes, "imports, see Imports"),
        (rises.fallen_bytes, "given back"),
        (rises.unattributed_bytes, "not attributed"),
    ]
    rows += [[Bytes(size, signed=True), None, words] for size, words in others if size]
    rows.append([Bytes(rises.rss_delta_bytes, signed=True), None, "RSS change of the session"])
    return Table("functions", [*_FIGURES, Column("function or package")], rows, "By function")


def _name(node: RiseNode) -> list[Inline]:
    return [Code(node.name if node.line is None else _place(node.line))]


def _place(line: results.Frame) -> str:
    return f"{short(line.file)}:{line.line} {line.function}"
