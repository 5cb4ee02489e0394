"""What people see: the same sections in every format, at every width."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.reports import (
    Bytes,
    Chart,
    Code,
    Column,
    Document,
    Guide,
    Options,
    Percent,
    Prose,
    Section,
    Table,
    write_html,
    write_markdown,
    write_text,
)
from fwmemtrace.reports.document import document_of
from fwmemtrace.reports.timeline import thin

TITLES = ["Summary", "Phases", "Top allocations", "Profiler overhead"]


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> fwmemtrace.Trace:
    path = tmp_path_factory.mktemp("formats") / "trace.bin"
    with fwmemtrace.session(path, probes=["python_heap"], interval=0), phase("init"):
        kept = bytearray(50_000_000)
        with phase("load"):
            kept += bytearray(1000)
    return fwmemtrace.read(path)


class Tags(HTMLParser):
    """The tags of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.ids: list[str] = []
        self.attributes: set[str] = set()
        self.targets: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.targets += [value or "" for name, value in attrs if name == "href"]
        self.attributes |= {name for name, _ in attrs}


def test_the_page_of_a_trace_needs_nothing_else(trace: fwmemtrace.Trace) -> None:
    tags = Tags(trace.report("html", budget="1GB"))
    assert tags.seen.count("script") == 2  # the data and the program
    assert {"link", "img", "iframe", "object", "base"} & set(tags.seen) == set()
    assert {"src", "srcset", "action", "ping"} & tags.attributes == set()
    assert all(target.startswith("#") for target in tags.targets)


def test_ids_are_unique(trace: fwmemtrace.Trace) -> None:
    document = document_of(trace.summary(), Options())
    sections = [section.id for section in document.sections]
    assert len(set(sections)) == len(sections)
    assert Tags(write_html(document)).ids == sections
    for section in document.sections:
        blocks = [block.id for block in section.blocks]
        assert len(set(blocks)) == len(blocks)


@pytest.mark.parametrize("width", [40, 80, 120, 300])
def test_text_keeps_to_the_width(trace: fwmemtrace.Trace, width: int) -> None:
    assert max(map(len, trace.report("text", width=width).splitlines())) <= width


def test_colours_are_written_only_if_asked_for(trace: fwmemtrace.Trace) -> None:
    assert "\x1b[" in trace.report("text", colour=True)
    assert "\x1b[" not in trace.report("text")


def test_all_formats_have_the_same_sections(trace: fwmemtrace.Trace) -> None:
    markdown, text = (trace.report(name) for name in ("markdown", "text"))
    html = write_html(document_of(trace.summary(), Options()))
    for title in TITLES:
        assert f"## {title}\n" in markdown
        assert f"<h2>{title}</h2>" in html
        assert f"\n{title}\n" in "\n" + text


def test_typed_values_are_written_with_their_units() -> None:
    made = Document("T", [Section("s", "S", [Prose("p", [["It has ", Bytes(1500), ", ", Percent(0.25), "."]])])])
    for page in (write_text(made, Options()), write_markdown(made), write_html(made)):
        assert "It has 1.5 kB, 25%." in page


def test_a_long_last_column_goes_below_its_row_if_there_is_no_room() -> None:
    columns = [Column("name"), Column("size", "right"), Column("evidence")]
    table = Table("t", columns, [["alpha", Bytes(1000), "because of this and that " * 4]])
    made = Document("T", [Section("s", "T", [table])])
    narrow, wide = (write_text(made, Options(width=width)) for width in (40, 200))
    assert narrow.splitlines()[2].split() == ["alpha", "1.0", "kB"]
    assert narrow.count("because") == wide.count("because") == 4
    assert "1.0 kB  because" in wide


def test_a_tree_keeps_its_shape_in_markdown() -> None:
    rows = [[[Guide("│   └ "), Code("a")], "1"], [[Guide("  └ "), Code("b")], "2"]]
    made = write_markdown(Document("T", [Section("s", "S", [Table("t", [Column("phase"), Column("x")], rows)])]))
    assert "| │&nbsp;&nbsp;&nbsp;└&nbsp;`a` | 1 |" in made
    assert "| &nbsp;&nbsp;└&nbsp;`b` | 2 |" in made


def test_a_chart_is_left_out_of_text_and_markdown(trace: fwmemtrace.Trace) -> None:
    summary = trace.summary()
    chart = Chart("c", summary.trace.processes[0], summary.timeline)
    made = Document("T", [Section("s", "S", [chart])])
    assert write_text(made, Options()) == "S\n"
    assert write_markdown(made) == "# T\n\n## S\n"
    assert "<polyline" in write_html(made)


def test_a_thinned_timeline_keeps_its_ends_and_the_largest_moves(trace: fwmemtrace.Trace) -> None:
    points = trace.summary().timeline
    points[len(points) // 2].rss_bytes += 50_000_000  # malloc may have served the array from memory that it kept
    assert thin(points, 100)[0] == points[0]
    assert thin(points, 100)[-1] == points[-1]
    moved = max(range(1, len(points)), key=lambda at: abs(points[at].rss_bytes - points[at - 1].rss_bytes))
    assert points[moved] in thin(points, 4)
    assert len(thin(points * 50, 24)) <= 24
