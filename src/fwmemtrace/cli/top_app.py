"""The live view as an application of textual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.widgets import DataTable, Footer, Sparkline, Static, Tab, Tabs

from ..errors import FwmemtraceError
from ..reports.blocks import Alarm, Code, Guide, Sentence, inline_text, parts, plain
from ..reports.live import MEMORY_COLUMNS, PHASE_COLUMNS, live_view
from ..results import TraceReport
from ..trace.live import LiveTrace


class TopApp(App[None]):
    """Shows one process of a running session; a tab for each.

    Args:
        live: the trace.
        interval: seconds between looks.
    """

    TITLE = "fwmemtrace top"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        ("q", "quit", "Quit"),
        ("s", "sort", "Sort by change"),
        ("space", "hold", "Pause"),
    ]
    CSS = """
    #status { padding: 0 1; text-style: bold; }
    #rss { height: 4; margin: 0 1; }
    #phases { height: 2fr; }
    #memory { height: 1fr; }
    """

    def __init__(self, live: LiveTrace, interval: float) -> None:
        super().__init__()
        self._live = live
        self._interval = interval
        self._report: TraceReport | None = None
        self._held = False
        self._by_change = False
        self._pid: int | None = None

    def compose(self) -> ComposeResult:
        """Lay the widgets out."""
        yield Tabs(id="processes")
        yield Static(id="status", markup=False)
        yield Sparkline(id="rss", summary_function=max)
        yield DataTable(id="phases", cursor_type="row", zebra_stripes=True)
        yield DataTable(id="memory", cursor_type="none")
        yield Footer()

    def on_mount(self) -> None:
        """Look for the first time, and again every interval."""
        self.query_one("#phases", DataTable).add_columns(*PHASE_COLUMNS)
        self.query_one("#memory", DataTable).add_columns(*MEMORY_COLUMNS)
        self._look()
        self.set_interval(self._interval, self._look)

    def action_sort(self) -> None:
        """Switch between the order of the tree and that of changes."""
        self._by_change = not self._by_change
        self._show()

    def action_hold(self) -> None:
        """Pause the view, or resume it."""
        self._held = not self._held
        self._look()
        self._show()

    def on_tabs_tab_activated(self, event: Tabs.TabActivated) -> None:
        """Show another process."""
        if event.tab.id is not None:
            self._pid = int(event.tab.id.removeprefix("pid-"))
            self._show()

    def _look(self) -> None:
        if self._held:
            return
        try:
            self._report = self._live.look()
        except FwmemtraceError as error:
            self.query_one("#status", Static).update(str(error))
            return
        tabs = self.query_one("#processes", Tabs)
        known = {tab.id for tab in tabs.query(Tab)}
        for process in self._report.trace.processes:
            if f"pid-{process.pid}" not in known:
                tabs.add_tab(Tab(f"pid {process.pid}", id=f"pid-{process.pid}"))
        if self._pid is None and self._report.trace.processes:
            self._pid = self._report.trace.processes[0].pid
        self._show()

    def _show(self) -> None:
        if self._report is None or self._pid is None:
            return
        view = live_view(self._report, self._pid)
        self.query_one("#status", Static).update(plain(view.status) + (" (paused)" if self._held else ""))
        self.query_one("#rss", Sparkline).data = view.rss
        phases = view.phases
        if self._by_change:
            change = PHASE_COLUMNS.index("RSS change")
            phases = sorted(phases, key=lambda row: -getattr(row[change], "value", 0))
        _fill(self.query_one("#phases", DataTable), phases)
        _fill(self.query_one("#memory", DataTable), view.memory)


def _fill(table: DataTable[Text], rows: Sequence[Sequence[Sentence]]) -> None:
    at, cursor = table.scroll_offset, table.cursor_row
    table.clear()
    for row in rows:
        table.add_row(*(_cell(cell, justify="left" if number == 0 else "right") for number, cell in enumerate(row)))
    table.move_cursor(row=cursor, scroll=False)
    table.scroll_to(at.x, at.y, animate=False)


def _cell(sentence: Sentence, justify: str) -> Text:
    text = Text(justify="left" if justify == "left" else "right")
    for part in parts(sentence):
        style = {Code: "cyan", Guide: "dim", Alarm: "bold red"}.get(type(part), "")
        text.append(inline_text(part), style)
    return text
