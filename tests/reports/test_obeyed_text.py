"""Whatever a trace has as text is shown as text: no format, terminal or reader of a page obeys it."""

from __future__ import annotations

import html.parser
import io
import json
import re
import sys

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.cli import main
from fwmemtrace.errors import warn
from fwmemtrace.records import Note

markdown_it = pytest.importorskip("markdown_it")

TEXTS = [
    "\x1b[31mred", "a\nb", "a\r\nb", "\x07\x08\x9b2J", "\u202eabc\u2066", "[/]", "[red]x[/red]", "[link=http://x]y",
    "<script>alert(1)</script>", "<b>x", "</td></table>", "&lt;b&gt;", "# heading", "## x\n# y", "- item", "1. item",
    "> quote", "[text](http://example.org)", "![x](http://example.org/x.png)", "<http://example.org>",
    "http://example.org/x", "www.example.org", "a@example.org", "@team", "```", "`a`", "a|b", "| a | b |", "***",
    "---", "===", "    code", "$x$", "x" * 10_000, "\u2028", "\ufeff", "日本", "a\0b", '"', "'", "\\", "~~x~~", "\x7f",
]  # fmt: skip


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "t.bin"
    with fwmemtrace.session(path, interval=0, service="<b>\x1b[0m", labels={"[/]": "# x"}) as session:
        for text in TEXTS:
            error = type("E", (Exception,), {"__module__": "m"})
            error.__qualname__ = text
            try:
                with phase(text, **{text: text}):
                    raise error
            except error:
                pass
            session.record(Note(1, "x", text))
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "t.bin"
    with fwmemtrace.session(path, interval=0, service="s", labels={"a": "b"}) as session:
        for number in range(len(TEXTS)):
            with phase(f"p{number}"):
                pass
            session.record(Note(1, "x", f"note {number}"))
    return path


def shown(path, *options: str) -> str:
    before, sys.stdout = sys.stdout, io.StringIO()
    try:
        main([options[0], *options[1:], str(path)])
        return sys.stdout.getvalue()
    finally:
        sys.stdout = before


def unprintable(page: str) -> set[str]:
    return {character for line in page.splitlines() for character in line if not character.isprintable()}


@pytest.mark.parametrize(
    "options", [("report",), ("report", "--format", "markdown"), ("report", "--format", "html"), ("report", "--share")]
)
def test_nothing_in_a_page_is_a_control_character(options, hostile):
    assert unprintable(shown(hostile, *options)) == set()


def test_a_comparison_shows_names_as_they_are(hostile):
    page = shown(hostile, "diff", str(hostile))
    assert unprintable(page) == set()
    assert "[/]" in page.replace("\\/", "/")


def test_the_json_of_other_commands_escapes_control_characters(hostile):
    compared = shown(hostile, "diff", str(hostile), "--format", "json")
    names = {row["path"] for process in json.loads(compared)["processes"] for row in process["phases"]}
    assert "\x7f" in names
    checked = shown(hostile, "check", "--phase", "\u202eabc\u2066=1kB", "--output-format", "json")
    assert "\u202eabc\u2066" in json.dumps(json.loads(checked), ensure_ascii=False)
    assert unprintable(compared) | unprintable(checked) == set()


def test_json_escapes_control_characters(hostile):
    page = shown(hostile, "report", "--format", "json")
    assert unprintable(page) == set()
    assert {row["name"] for row in json.loads(page)["phases"]} == {*TEXTS, ""}


def _tokens(page: str) -> list[str]:
    parser = markdown_it.MarkdownIt("gfm-like", {"linkify": False, "html": True}).enable("table")
    return [token.type for outer in parser.parse(page) for token in (outer, *(outer.children or []))]


def test_markdown_has_no_tags_links_and_headings_of_the_trace(hostile, plain):
    of_hostile, of_plain = (_tokens(shown(path, "report", "--format", "markdown")) for path in (hostile, plain))
    assert not {"html_inline", "html_block", "link_open", "image", "hr", "blockquote_open", "fence"} & set(of_hostile)
    for kind in ("heading_open", "list_item_open", "code_block"):
        assert of_hostile.count(kind) == of_plain.count(kind)
    outside_code = re.sub(r"(`+).*?\1", "", shown(hostile, "report", "--format", "markdown"))
    assert not re.search(r"://|www\.", outside_code)


class _Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


def test_html_has_no_tags_and_links_of_the_trace(hostile):
    page = shown(hostile, "report", "--format", "html")
    tags = _Tags()
    tags.feed(page)
    assert [link for link in tags.links if "example.org" in link] == []
    assert "<script>alert(1)" not in page
    assert "img" not in tags.tags


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "cp437"])
@pytest.mark.parametrize("options", [("report",), ("report", "--format", "markdown"), ("check", "--budget", "1kB")])
def test_any_encoding_of_stdout_will_do(encoding, options, hostile, monkeypatch):
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding=encoding))
    assert main([*options, str(hostile)]) in (0, 1)
    sys.stdout.flush()
    assert buffer.getvalue()


def test_warnings_and_errors_are_one_line(tmp_path, capsys):
    with pytest.warns(RuntimeWarning) as caught:
        warn("a\x1b[31m\nb")
    assert str(caught[0].message) == "fwmemtrace: a\\x1b[31m\\nb"
    assert main(["report", str(tmp_path / "no\x1b[31m\nfile.bin")]) == 2
    assert unprintable(capsys.readouterr().err) == set()
