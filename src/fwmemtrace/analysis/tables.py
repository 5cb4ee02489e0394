"""The results of a trace as flat tables, with units in the names of their columns: for Arrow, data frames and CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from .. import results
from ..paths import encodable, write
from .stack_table import NATIVE, PYTHON_HEAP, RISES, SAMPLED, StackTable

if TYPE_CHECKING:
    import pyarrow

Kind: TypeAlias = Literal["int", "float", "text"]
Value: TypeAlias = int | float | str | None

UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class FlatTable:
    """One table.

    Attributes:
        name: such as "phases".
        columns: names and kinds; every column may have empty cells.
        rows: a value for each column; text is valid Unicode.
    """

    name: str
    columns: Sequence[tuple[str, Kind]]
    rows: Sequence[Sequence[Value]]

    def column(self, at: int) -> list[Value]:
        """Return the values of one column."""
        return [row[at] for row in self.rows]


def flat_tables(report: results.TraceReport, stacks: Iterable[StackTable]) -> list[FlatTable]:
    """Return the tables phases, imports, ledger, timeline, stacks and tensors; those of probes that were off are empty.

    Args:
        report: the results.
        stacks: those of each process.
    """
    return [
        _table("phases", _PHASES, report.phases),
        _table("imports", _IMPORTS, report.imports or []),
        _table("ledger", _LEDGER, _ledger_items(report.ledger or [])),
        _table("timeline", _TIMELINE, report.timeline),
        _stack_table(stacks),
        _table("tensors", _TENSORS, [(row, one) for row in report.phases if row.tensors for one in row.tensors.top]),
    ]


def arrow_table(table: FlatTable) -> pyarrow.Table:
    """Return one table as an Arrow table.

    Raises:
        ImportError: if pyarrow is not installed.
    """
    import pyarrow

    types = {"int": pyarrow.int64(), "float": pyarrow.float64(), "text": pyarrow.string()}
    columns = {name: pyarrow.array(table.column(at), types[kind]) for at, (name, kind) in enumerate(table.columns)}
    return pyarrow.table(columns)


def _table(name: str, columns: Sequence[tuple[str, Kind, Callable[..., Value]]], items: Iterable[object]) -> FlatTable:
    rows = [[_clean(of(item)) for _, _, of in columns] for item in items]
    return FlatTable(name, [(title, kind) for title, kind, _ in columns], rows)


def _clean(value: Value) -> Value:
    return encodable(value) if isinstance(value, str) else value


def _figure(part: str, name: str) -> Callable[[results.PhaseRow], Value]:
    """Return a function that takes a figure from a part of a phase, None if its probe was not on."""

    def value(row: results.PhaseRow) -> Value:
        figures = getattr(row, part)
        return None if figures is None else getattr(figures, name)

    return value


_PHASES: Sequence[tuple[str, Kind, Callable[[results.PhaseRow], Value]]] = [
    ("pid", "int", lambda row: row.pid),
    ("path", "text", lambda row: row.path),
    ("name", "text", lambda row: row.name),
    ("parent", "text", lambda row: row.parent),
    ("calls", "int", lambda row: row.calls),
    ("errors", "int", lambda row: row.errors),
    ("open_calls", "int", lambda row: row.open_calls),
    ("wall_ns", "int", lambda row: row.wall_ns),
    ("rss_before_bytes", "int", _figure("resident", "before_bytes")),
    ("rss_after_bytes", "int", _figure("resident", "after_bytes")),
    ("rss_delta_bytes", "int", _figure("resident", "delta_bytes")),
    ("rss_peak_bytes", "int", _figure("resident", "peak_bytes")),
    ("native_allocated_bytes", "int", _figure("native", "allocated_bytes")),
    ("native_allocations", "int", _figure("native", "allocations")),
    ("native_freed_bytes", "int", _figure("native", "freed_bytes")),
    ("native_held_bytes", "int", _figure("native", "held_bytes")),
    ("native_live_bytes", "int", _figure("native", "live_bytes")),
    ("native_peak_bytes", "int", _figure("native", "peak_bytes")),
    ("native_file_backed_bytes", "int", _figure("native", "file_backed_bytes")),
    ("sampled_live_bytes", "int", _figure("heap", "live_bytes")),
    ("sampled_live_low_bytes", "int", _figure("heap", "live_low_bytes")),
    ("sampled_live_high_bytes", "int", _figure("heap", "live_high_bytes")),
    ("sampled_peak_bytes", "int", _figure("heap", "peak_bytes")),
    ("sampled_allocated_bytes", "int", _figure("heap", "allocated_bytes")),
    ("python_heap_delta_bytes", "int", _figure("python_heap", "delta_bytes")),
    ("python_heap_peak_bytes", "int", _figure("python_heap", "peak_bytes")),
    ("objects_delta", "int", _figure("objects", "delta_count")),
    ("tensors_live_bytes", "int", _figure("tensors", "live_bytes")),
    ("tensors_delta_bytes", "int", _figure("tensors", "delta_bytes")),
]

_IMPORTS: Sequence[tuple[str, Kind, Callable[[results.Import], Value]]] = [
    ("module", "text", lambda row: row.module),
    ("parent", "text", lambda row: row.parent),
    ("phase", "text", lambda row: row.phase),
    ("own_bytes", "int", lambda row: row.own_bytes),
    ("cumulative_bytes", "int", lambda row: row.cumulative_bytes),
    ("own_ns", "int", lambda row: row.own_ns),
    ("wall_ns", "int", lambda row: row.wall_ns),
    ("file", "text", lambda row: row.file),
    ("asked_by", "text", lambda row: row.asked_by),
    ("own_file", "text", lambda row: None if row.nearest_own is None else row.nearest_own.file),
    ("own_line", "int", lambda row: None if row.nearest_own is None else row.nearest_own.line),
    ("error", "text", lambda row: row.error),
]


def _ledger_items(ledger: Iterable[results.Ledger]) -> Iterable[tuple[results.Ledger, results.LedgerItem]]:
    """Yield the items of each phase; with what is unexplained, they add up to its RSS change."""
    for row in ledger:
        for item in row.items:
            yield row, item
        if row.unexplained_bytes:
            yield row, results.LedgerItem(category=UNEXPLAINED, owner="", bytes=row.unexplained_bytes)


_LEDGER: Sequence[tuple[str, Kind, Callable[[tuple[results.Ledger, results.LedgerItem]], Value]]] = [
    ("pid", "int", lambda pair: pair[0].pid),
    ("path", "text", lambda pair: pair[0].path),
    ("category", "text", lambda pair: pair[1].category),
    ("owner", "text", lambda pair: pair[1].owner),
    ("bytes", "int", lambda pair: pair[1].bytes),
    ("private_bytes", "int", lambda pair: pair[1].private_bytes),
    ("evictable_bytes", "int", lambda pair: pair[1].evictable_bytes),
    ("anonymous_bytes", "int", lambda pair: pair[1].anonymous_bytes),
]

_TIMELINE: Sequence[tuple[str, Kind, Callable[[results.TimelinePoint], Value]]] = [
    ("pid", "int", lambda row: row.pid),
    ("at_ns", "int", lambda row: row.at_ns),
    ("rss_bytes", "int", lambda row: row.rss_bytes),
    ("phase", "text", lambda row: row.phase),
]

_TENSORS: Sequence[tuple[str, Kind, Callable[[tuple[results.PhaseRow, results.TensorStorage]], Value]]] = [
    ("pid", "int", lambda pair: pair[0].pid),
    ("path", "text", lambda pair: pair[0].path),
    ("owner", "text", lambda pair: pair[1].owner),
    ("model", "text", lambda pair: pair[1].model),
    ("library", "text", lambda pair: pair[1].library),
    ("dtype", "text", lambda pair: pair[1].dtype),
    ("device", "text", lambda pair: pair[1].device),
    ("role", "text", lambda pair: pair[1].role),
    ("backing", "text", lambda pair: pair[1].backing),
    ("shape", "text", lambda pair: "x".join(map(str, pair[1].shape))),
    ("size_bytes", "int", lambda pair: pair[1].size_bytes),
]


def _stack_table(tables: Iterable[StackTable]) -> FlatTable:
    metrics = [*NATIVE, *SAMPLED, *RISES, *PYTHON_HEAP]
    names = [f"{metric.name}_bytes" if metric.unit == "bytes" else metric.name for metric in metrics]
    rows: list[list[Value]] = []
    for table in tables:
        at = {metric.name: number for number, metric in enumerate(table.metrics)}
        for (path, stack), values in table.rows.items():
            leaf = stack.frames[0] if stack.frames else ("", "", 0, None)
            text = ";".join(f"{function} {file}:{line}".strip() for function, file, line, _ in reversed(stack.frames))
            figures = [values[at[metric.name]] if metric.name in at else None for metric in metrics]
            known: list[Value] = [table.pid, write(path), *figures, leaf[0], leaf[1], leaf[2], leaf[3], text]
            rows.append([_clean(value) for value in known])
    columns: list[tuple[str, Kind]] = [("pid", "int"), ("path", "text"), *((name, "int") for name in names)]
    columns += [("function", "text"), ("file", "text"), ("line", "int"), ("library", "text"), ("stack", "text")]
    return FlatTable("stacks", columns, rows)
