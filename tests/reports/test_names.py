"""A name from the program may be anything: no format breaks on it, none obeys it, and all of them show it."""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.reports import (
    Code,
    Column,
    Document,
    Guide,
    Listing,
    Options,
    Prose,
    Section,
    Table,
    document_of,
    write_html,
    write_markdown,
    write_text,
)
from fwmemtrace.reports.blocks import parts, plain
from fwmemtrace.reports.visible import visible

MB = 1_000_000

NAMES = [
    "GET /users",
    "GET /users/{id}",
    "a`b",
    "`",
    "``a",
    "x|y",
    "x\\|y",
    "ends with \\",
    "<b>",
    "<script>alert(1)</script>",
    "&lt;",
    "[red]",
    "[/]",
    "[link](http://example.org)",
    "![image](x)",
    "**bold** and _it_",
    "~~gone~~",
    "# heading",
    "- item",
    "1. item",
    "$x$",
    "\x1b[31mred",
    "bell\x07",
    "line\nbreak",
    "carriage\rreturn",
    "\u202eright to left",
    "\u2028",
    "tab\there",
    " padded ",
    ":smile:",
    "日本語",
]


class Page(HTMLParser):
    """A page as lists of texts by tag; tags have to close in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.texts: dict[str, list[str]] = {}
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.texts.setdefault(tag, []).append("")
        if tag not in ("meta", "line", "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data


MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OBEYED = {"html_inline", "html_block", "link_open", "image", "em_open", "s_open", "hr", "code_block", "fence"}


def markdown_texts(source: str) -> dict[str, list[str]]:
    """The texts of a markdown page by the tag that the parser gives them; none may be markup that a name brought."""
    texts: dict[str, list[str]] = {}
    tokens = MARKDOWN.parse(source)
    for before, token in pairwise(tokens):
        assert token.type not in OBEYED, token
        if token.type == "inline":
            children = token.children or []
            assert not {child.type for child in children} & OBEYED, token.content
            texts.setdefault(before.tag, []).append(_text(children))
            for child in children:
                if child.type == "code_inline":
                    texts.setdefault("code", []).append(child.content)
    return texts


def _text(tokens: list[Token]) -> str:
    return "".join(token.content for token in tokens).replace("\xa0", " ").strip()


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> fwmemtrace.Trace:
    path = tmp_path_factory.mktemp("names") / "trace.bin"
    kept = []
    with fwmemtrace.session(path, probes=["python_heap"], interval=0):
        for name in NAMES:
            with phase(name), phase("inner " + name):
                kept.append(bytearray(200_000))
    return fwmemtrace.read(path)


def test_json_has_the_names_themselves(trace: fwmemtrace.Trace) -> None:
    rows = json.loads(trace.report("json"))["phases"]
    assert [row["name"] for row in rows if row["path"] and row["parent"] is None] == NAMES


def test_markdown_shows_every_name_and_obeys_none(trace: fwmemtrace.Trace) -> None:
    texts = markdown_texts(trace.report("markdown"))
    cells = [cell for cell in texts["td"] if not cell.startswith(("├", "└", "│"))]
    assert [visible(name).strip() for name in NAMES] == [
        cell for cell in cells if cell in {visible(name).strip() for name in NAMES}
    ][: len(NAMES)]
    spans = texts["code"]
    assert [name for name in map(visible, NAMES) if name not in spans] == ["x\\|y"]  # see `markdown.code`
    assert {len(line) for line in _columns(trace.report("markdown"))} == {1}


def _columns(source: str) -> Iterator[set[int]]:
    """The numbers of cells in the rows of each table."""
    rows: set[int] = set()
    cells = 0
    for token in MARKDOWN.parse(source):
        cells = 0 if token.type == "tr_open" else cells + (token.type in ("td_open", "th_open"))
        if token.type == "tr_close":
            rows.add(cells)
        if token.type == "table_close":
            yield rows
            rows = set()


def test_html_shows_every_name_and_obeys_none(trace: fwmemtrace.Trace) -> None:
    page = Page(write_html(document_of(trace.summary(), Options())))
    assert page.seen & {"b", "script", "a", "img"} == set()
    assert [name for name in map(visible, NAMES) if name not in page.texts["code"]] == []


def test_the_data_of_the_page_has_the_names_themselves(trace: fwmemtrace.Trace) -> None:
    page = Page(trace.report("html"))
    assert page.seen & {"b", "img"} == set()
    data, program = page.texts["script"]
    assert "</script" not in data + program
    assert [name for name in NAMES if name not in json.loads(data)["details"][0]["paths"]] == [
        name for name in NAMES if "/" in name or "\\" in name
    ]


@pytest.mark.parametrize("colour", [False, True])
def test_text_shows_every_name_and_obeys_none(trace: fwmemtrace.Trace, colour: bool) -> None:
    text = trace.report("text", width=200, colour=colour)
    for name in map(visible, NAMES):
        assert name.rstrip() in text
    allowed = "\n\x1b" if colour else "\n"
    assert {character for character in text if not character.isprintable()} <= set(allowed)
    assert "\x1b[31m" not in text


def test_a_comparison_shows_every_name(trace: fwmemtrace.Trace) -> None:
    from fwmemtrace.analysis.diff import RunOfTrace, compare
    from fwmemtrace.reports.difference import difference_document

    run = RunOfTrace(trace.summary())
    text = write_text(difference_document(compare([run], [run])), Options(width=200))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "└ inner a`b" in text
    assert "\\x1b[31mred" in text


def document(words: list[str]) -> Document:
    """A document with the words everywhere that words can be."""
    return Document(
        words[0],
        [
            Section(
                "all",
                ["About ", Code(words[1])],
                [
                    Prose("prose", [[words[2], Code(words[1])], words[0]]),
                    Table("cells", [Column("a"), Column(words[0])], [[Code(words[0]), words[1]], [words[2], ""]]),
                    Listing("items", [words[0], Code(words[1]), ["x ", words[2]]]),
                    Listing("more", words, ordered=False),
                    Table("tree", [Column("name")], [[[Guide("│ └ "), Code(words[0])]]]),
                ],
            )
        ],
    )


def squeezed(text: str) -> str:
    """Text as a browser shows it: blanks run together."""
    return " ".join(text.split())


WORDS = st.lists(st.text(min_size=1, max_size=12).filter(str.strip), min_size=3, max_size=3)
MARKUP = st.lists(
    st.text(r"`\|<>&[]()*_~#!-+.= 1ab$:", min_size=1, max_size=12).filter(str.strip), min_size=3, max_size=3
)


@given(WORDS | MARKUP)
def test_what_a_markdown_parser_reads_is_what_the_document_says(words: list[str]) -> None:
    made = document(words)
    texts = markdown_texts(write_markdown(made))
    prose, table, numbered, bullets, tree = made.sections[0].blocks
    assert isinstance(prose, Prose)
    assert isinstance(table, Table)
    assert isinstance(numbered, Listing)
    assert isinstance(bullets, Listing)
    assert isinstance(tree, Table)
    expected = {
        "h1": [plain(made.title)],
        "h2": [plain(made.sections[0].title)],
        "p": [" ".join(map(plain, prose.sentences)), *map(plain, numbered.items), *map(plain, bullets.items)],
        "td": [plain(cell) for row in [*table.rows, *tree.rows] for cell in row],
    }
    for tag, wanted in expected.items():
        assert [squeezed(text) for text in texts[tag]] == [squeezed(text) for text in wanted], tag


@given(WORDS | MARKUP)
def test_what_a_browser_reads_is_what_the_document_says(words: list[str]) -> None:
    made = document(words)
    page = Page(write_html(made))
    _, table, numbered, _, tree = made.sections[0].blocks
    assert isinstance(table, Table)
    assert isinstance(numbered, Listing)
    assert isinstance(tree, Table)
    assert page.texts["h1"] == [plain(made.title)]
    assert page.texts["td"] == [plain(cell) for row in [*table.rows, *tree.rows] for cell in row]
    assert page.texts["li"][:3] == list(map(plain, numbered.items))


@given(WORDS)
def test_text_has_only_what_a_terminal_shows(words: list[str]) -> None:
    text = write_text(document(words), Options(width=300))
    assert all(character.isprintable() or character == "\n" for character in text)


def test_a_cell_is_a_value_or_several() -> None:
    assert list(parts("a")) == ["a"]
    assert list(parts(Code("a"))) == [Code("a")]
    assert list(parts(["a", Code("b")])) == ["a", Code("b")]


def test_names_with_a_slash_are_siblings_and_the_outermost_rows_add_up(
    tmp_path: Path, new_memory: Callable[[int], mmap.mmap]
) -> None:
    path = tmp_path / "route.bin"
    kept = []
    with fwmemtrace.session(path):
        with phase("GET /users"):
            kept.append(new_memory(40 * MB))
        with phase("GET /users/{id}"):
            kept.append(new_memory(20 * MB))
    trace = fwmemtrace.read(path)
    made = json.loads(trace.report("json"))
    rows = {row["name"]: row for row in made["phases"] if row["path"]}
    assert [row["parent"] for row in rows.values()] == [None, None]
    assert abs(rows["GET /users"]["resident"]["delta_bytes"] - 40 * MB) < MB
    assert abs(rows["GET /users/{id}"]["resident"]["delta_bytes"] - 20 * MB) < MB
    (process,) = made["trace"]["processes"]
    outermost = sum(row["resident"]["delta_bytes"] for row in rows.values())
    rest = process["before_session_bytes"] + process["outside_phases_bytes"] - process["overlap_bytes"]
    assert outermost + rest == process["end_bytes"]

    names = ["before the session", "GET /users", "GET /users/{id}", "outside any phase", "at the end"]
    page = Page(write_html(document_of(trace.summary(), Options())))
    markdown = markdown_texts(trace.report("markdown"))
    for cells in (page.texts["td"], markdown["td"]):
        start = cells.index("before the session")
        columns = cells.index("GET /users", start) - start
        table = [cells[at : at + columns] for at in range(start, start + 5 * columns, columns)]
        assert [row[0] for row in table] == names
        changes = [row[1] for row in table]
        assert [_megabytes(change) for change in changes[1:3]] == pytest.approx([40, 20], abs=1)
        _assert_adds_up(changes)

    lines = [line for line in trace.report("text").splitlines() if line.startswith(tuple(names))]
    assert [name for line, name in zip(lines, names, strict=True) if not line.startswith(f"{name} ")] == []
    _assert_adds_up(["".join(line[len(name) :].split()[:2]) for line, name in zip(lines, names, strict=True)])


def _assert_adds_up(sizes: Sequence[str]) -> None:
    """Check that the last size is the sum of the others, as closely as their last digits allow."""
    *parts, total = map(_megabytes, sizes)
    assert sum(parts) == pytest.approx(total, abs=1e-6 + sum(map(_rounding, sizes)))


def _megabytes(size: str) -> float:
    number, unit = _number_and_unit(size)
    return float(number) * unit


def _rounding(size: str) -> float:
    """Return half of what the last digit of a size stands for, in megabytes."""
    number, unit = _number_and_unit(size)
    return 0.5 * 10.0 ** -len(number.partition(".")[2]) * unit


def _number_and_unit(size: str) -> tuple[str, float]:
    number = size.strip("+GMkB ")
    return number, {"GB": 1e3, "MB": 1, "kB": 1e-3, "B": 1e-6}[size.removeprefix("+").removeprefix(number).strip()]
