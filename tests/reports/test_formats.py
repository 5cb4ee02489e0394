"""What people see: the same sections in every format, and nothing that a name could break."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.reports.base import Options
from fwmemtrace.reports.markdown import write_markdown
from fwmemtrace.reports.sections import Grid, Section
from fwmemtrace.reports.terminal import write_text
from fwmemtrace.reports.trace_sections import thin

EVIL = "<script>alert('x')</script> | `tick` & \"quote\""


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> fwmemtrace.Trace:
    path = tmp_path_factory.mktemp("formats") / "trace.bin"
    with fwmemtrace.session(path, probes=["python_heap"], interval=0), phase("init"):
        kept = bytearray(50_000_000)
        with phase(EVIL):
            kept += bytearray(1000)
    return fwmemtrace.read(path)


class Page(HTMLParser):
    """Checks that tags close in order, and keeps the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in ("meta", "line", "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_needs_nothing_else_and_obeys_no_name(trace: fwmemtrace.Trace) -> None:
    page = Page()
    source = trace.report("html", budget="1GB")
    page.feed(source)
    assert page.open == []
    assert "script" not in page.seen
    assert "<script>alert" in page.text
    assert "svg" in page.seen
    assert "polyline" in page.seen
    assert "budget" in page.text
    assert "http" not in source.replace("http://www.w3.org", "")


def test_a_name_does_not_break_a_markdown_table(trace: fwmemtrace.Trace) -> None:
    lines = trace.report("markdown").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| phase | RSS change"))
    columns = lines[start].count("|")
    end = next(number for number in range(start, len(lines)) if not lines[number].startswith("|"))
    assert end - start > 4
    assert {line.replace("\\|", "").count("|") for line in lines[start:end]} == {columns}


@pytest.mark.parametrize("width", [40, 80, 120, 300])
def test_text_keeps_to_the_width(trace: fwmemtrace.Trace, width: int) -> None:
    assert max(map(len, trace.report("text", width=width).splitlines())) <= width


def test_colours_are_written_only_where_asked_for(trace: fwmemtrace.Trace) -> None:
    assert "\x1b[" in trace.report("text", colour=True)
    assert "\x1b[" not in trace.report("text")


def test_all_formats_have_the_same_sections(trace: fwmemtrace.Trace) -> None:
    markdown, html, text = (trace.report(name) for name in ("markdown", "html", "text"))
    for title in ("Executive summary", "Profile per phase", "Top allocations", "What the measuring cost"):
        assert f"## {title}" in markdown
        assert f"<h2>{title}</h2>" in html
        assert f"\n{title}\n" in "\n" + text


def test_a_long_last_column_goes_below_its_row_where_there_is_no_room() -> None:
    grid = Grid(["name", "size", "evidence"], [["alpha", "1 kB", "because of this and that " * 4]], right=(1,))
    narrow = write_text([Section("T", grids=[grid])], Options(width=40))
    wide = write_text([Section("T", grids=[grid])], Options(width=200))
    assert narrow.splitlines()[2].split() == ["alpha", "1", "kB"]
    assert narrow.count("because") == wide.count("because") == 4
    assert "1 kB  because" in wide


def test_a_tree_keeps_its_shape_in_markdown() -> None:
    made = write_markdown("T", [Section("S", grids=[Grid(["phase", "x"], [["│   └ a", "1"], ["  └ b", "2"]])])])
    assert "| │&nbsp;&nbsp;&nbsp;└ a | 1 |" in made
    assert "| &nbsp;&nbsp;└ b | 2 |" in made


def test_a_thinned_timeline_keeps_its_ends_and_the_largest_moves(trace: fwmemtrace.Trace) -> None:
    points = trace.summary().timeline
    points[len(points) // 2].rss_bytes += 50_000_000  # malloc may have served the array from memory that it kept
    assert thin(points, 100)[0] == points[0]
    assert thin(points, 100)[-1] == points[-1]
    moved = max(range(1, len(points)), key=lambda at: abs(points[at].rss_bytes - points[at - 1].rss_bytes))
    assert points[moved] in thin(points, 4)
    assert len(thin(points * 50, 24)) <= 24
