"""The text report: a tree of phases, then the top allocation sites of each, sized to the terminal."""

from __future__ import annotations

import io

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..analysis import results
from ..units import format_bytes, format_duration
from . import columns, holdings, sites
from .base import Options
from .sentences import executive_summary, process_title
from .suite_writing import suite_text


class TerminalReport:
    """Writes plain text, with colours where the terminal has them."""

    def render(self, report: results.Report, options: Options) -> str:
        if report.suite is not None:
            return suite_text(report, report.suite, options)
        console = Console(
            file=io.StringIO(),
            width=options.width,
            force_terminal=options.colour,
            no_color=not options.colour,
            highlight=False,
            soft_wrap=False,
        )
        for sentence in executive_summary(report):
            console.print(Text(sentence.replace("`", "")))
        for process in report.trace.processes:
            phases = [phase for phase in report.phases if phase.pid == process.pid]
            console.print()
            console.print(Text(process_title(process), style="bold"), overflow="ellipsis", no_wrap=True)
            console.print(_tree(process, phases))
            for title, rows in holdings.tables(report, process.pid, options.top):
                console.print()
                _print_table(console, title, rows)
            ledgers = {made.path: made for made in report.ledger or [] if made.pid == process.pid}
            for phase in phases:
                _print_phase(console, process, phase, ledgers.get(phase.path), options)
        _print_overhead(console, report)
        _print_notes(console, report)
        text = console.file.getvalue()  # type: ignore[attr-defined]
        return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _tree(process: results.Process, phases: list[results.Phase]) -> Table:
    shown = columns.for_phases(phases)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("phase", no_wrap=True, overflow="ellipsis")
    for column in shown:
        table.add_column(column.title, justify="right", no_wrap=True)
    for row in columns.rows(process, phases, shown):
        name = Text.assemble((row.guide, "dim"), (row.name, "" if row.is_phase else "italic"))
        table.add_row(name, *row.cells, style="bold" if row.is_total else None)
    return table


def _print_phase(
    console: Console,
    process: results.Process,
    phase: results.Phase,
    ledger: results.Ledger | None,
    options: Options,
) -> None:
    tables = sites.tables(phase, options.top)
    if ledger is not None and (rows := holdings.ledger(ledger, process, options.top)):
        tables.insert(0, ("what its RSS change consists of", rows))
    if tables:
        console.print()
        console.print(Text(phase.path or "outside any phase", style="bold"))
    for title, rows in tables:
        _print_table(console, title, rows, indent=2)


def _print_table(console: Console, title: str, rows: list[sites.Site], indent: int = 0) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for _ in rows[0].figures:
        table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row.figures, Text(row.place))
    console.print(Padding(Text(title, style="dim" if indent else "bold"), (0, 0, 0, indent)))
    console.print(Padding(table, (0, 0, 0, indent + 2)))


def _print_overhead(console: Console, report: results.Report) -> None:
    costs = [cost for cost in report.overhead if cost.wall_ns or cost.rss_bytes]
    if costs:
        console.print()
        console.print(Text("what the probes themselves cost (time, RSS left behind)", style="dim"))
    for cost in costs:
        what = f"{format_duration(cost.wall_ns)}, {format_bytes(cost.rss_bytes, signed=True)}"
        console.print(Text(f"  {cost.probe} (pid {cost.pid}): {what}", style="dim"))


def _print_notes(console: Console, report: results.Report) -> None:
    notes = list(report.trace.notes)
    if report.trace.lost_records:
        notes.insert(0, f"{report.trace.lost_records} records were lost")
    if report.trace.damaged_bytes:
        notes.insert(0, f"{report.trace.damaged_bytes} bytes of the trace are damaged and were passed over")
    if notes:
        console.print()
    for note in notes:
        console.print(Text(f"note: {note}", style="yellow"))
