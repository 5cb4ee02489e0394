"""The live view as an application of textual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.widgets import DataTable, Footer, Sparkline, Static, Tab, Tabs

from ..errors import FwmemtraceError
from ..reports.blocks import Alarm, Code, Guide, Sentence, inline_text, parts
from ..reports.fitting import shortened, written
from ..reports.live import MEMORY_COLUMNS, PHASE_COLUMNS, live_view
from ..results import TraceReport
from ..trace.live import LiveTrace

_PHASE_FIGURES, _MEMORY_FIGURES = 64, 36  # cells that the columns beside the names take
_LEAST_NAME = 16
_STYLES: dict[type, str] = {Code: "cyan", Guide: "dim", Alarm: "bold red"}


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
        for table, (name, *figures) in (("#phases", PHASE_COLUMNS), ("#memory", MEMORY_COLUMNS)):
            titles = [Text(title, justify="right") for title in figures]
            self.query_one(table, DataTable).add_columns(name, *titles)
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
        status = written(view.status, self.size.width // 2)
        self.query_one("#status", Static).update(status + (" (paused)" if self._held else ""))
        self.query_one("#rss", Sparkline).data = view.rss
        phases = view.phases
        if self._by_change:
            change = PHASE_COLUMNS.index("RSS change")
            phases = sorted(phases, key=lambda row: -getattr(row[change], "value", 0))
        for table, rows, beside in (("#phases", phases, _PHASE_FIGURES), ("#memory", view.memory, _MEMORY_FIGURES)):
            _fill(self.query_one(table, DataTable), rows, max(_LEAST_NAME, self.size.width - beside))


def _fill(table: DataTable[Text], rows: Sequence[Sequence[Sentence]], longest: int) -> None:
    """Replaces the rows of a table.

    Args:
        table: keeps its place and its cursor.
        rows: names in their first cells.
        longest: cells of the terminal that a name may take.
    """
    at, cursor = table.scroll_offset, table.cursor_row
    table.clear()
    for row in rows:
        name, *figures = row
        table.add_row(_name(name, longest), *map(_figure, figures))
    table.move_cursor(row=cursor, scroll=False)
    table.scroll_to(at.x, at.y, animate=False)


def _name(sentence: Sentence, longest: int) -> Text:
    text = Text()
    for part in parts(sentence):
        room = max(longest - text.cell_len, 1)
        text.append(shortened(inline_text(part), room), _STYLES.get(type(part), ""))
    return text


def _figure(sentence: Sentence) -> Text:
    text = Text(justify="right")
    for part in parts(sentence):
        text.append(inline_text(part), _STYLES.get(type(part), ""))
    return text
