"""Tables fit the terminal, and no figure loses a character."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fwmemtrace.reports import Code, Column, Document, Guide, Options, Prose, Section, Table, write_text
from fwmemtrace.reports.fitting import TextTable, fit, is_of_figures, shortened, text_table

FIGURES = st.from_regex(r"[+-]?[0-9]{1,4}\.[0-9] [kMG]B", fullmatch=True)
HEADS = st.sampled_from(["RSS change", "peak RSS", "native live", "Python heap", "calls", "time"])


@st.composite
def tables(draw, *, text: bool = False) -> Table:
    """A table of names and figures, with a column of text behind them if asked for."""
    columns = draw(st.integers(1, 10))
    heads = [Column("phase"), *(Column(draw(HEADS), "right") for _ in range(columns))]
    names = draw(st.lists(st.text("abc/ 日", min_size=1, max_size=40), min_size=1, max_size=5))
    rows = [[name, *(draw(st.one_of(st.just(""), FIGURES)) for _ in range(columns))] for name in names]
    if text:
        heads.append(Column("stack"))
        rows = [[*row, draw(st.text("abc ", max_size=90))] for row in rows]
    return Table("table", heads, rows)


def printed(table: Table, width: int) -> str:
    return write_text(Document("Report", [Section("table", "Title", [table])]), Options(width=width))


def figures(table: Table) -> list[str]:
    return [
        cell
        for row in text_table(table, 500).rows
        for column, cell in zip(table.columns, row, strict=True)
        if column.align == "right" and cell
    ]


@given(tables(), st.integers(30, 200))
def test_nothing_is_wider_than_the_terminal_and_no_figure_is_cut(table, width):
    text = printed(table, width)
    assert max(map(cell_len, text.splitlines())) <= width
    words = text.split()
    for figure in figures(table):
        assert tuple(figure.split()) in pairwise(words)


@given(tables(text=True), st.integers(40, 200))
def test_no_figure_beside_text_is_cut(table, width):
    text = printed(table, width)
    assert max(map(cell_len, text.splitlines())) <= width
    words = text.split()
    for figure in figures(table):
        assert tuple(figure.split()) in pairwise(words)


TREE_NAMES = st.one_of(st.text("abc/ 日", min_size=1, max_size=40), st.just("module." * 1500), st.just("x" * 10_000))


@st.composite
def trees(draw) -> Table:
    """A table of figures and a tree, at its end or in its middle."""
    columns = draw(st.integers(1, 5))
    rows = [
        [*(draw(st.one_of(st.just(""), FIGURES)) for _ in range(columns)), [Guide("│ " * depth + "└ "), Code(name)]]
        for depth, name in enumerate(draw(st.lists(TREE_NAMES, min_size=1, max_size=5)))
    ]
    table = Table("table", [*(Column(draw(HEADS), "right") for _ in range(columns)), Column("module")], rows)
    if draw(st.booleans()):
        for row in rows:
            row.append(draw(FIGURES))
        table.columns.append(Column("more", "right"))
    return table


@given(trees(), st.integers(40, 200))
def test_no_figure_beside_a_tree_is_cut_however_long_a_name_is(table, width):
    text = printed(table, width)
    lines = text.splitlines()
    assert max(map(cell_len, lines)) <= width
    words = text.split()
    for figure in figures(table):
        assert tuple(figure.split()) in pairwise(words)
    columns = len(table.columns)
    assert len(lines) <= 2 + max(map(len, (column.title.split() for column in table.columns))) + len(table.rows) * (
        columns + 2
    )


@given(st.text("abc/ 日│└", max_size=60), st.integers(1, 70))
def test_a_shortened_text_fits_and_keeps_both_ends(text, width):
    short = shortened(text, width)
    assert cell_len(short) <= width
    if cell_len(text) <= width:
        assert short == text
    elif width > 30:
        start, _, end = short.partition("…")
        assert text.startswith(start)
        assert text.rstrip().endswith(end)


def test_a_long_name_in_a_sentence_takes_few_lines():
    words = ["Most of it was made by ", Code("some name " * 1000), " in ", Code("x" * 10_000), "."]
    text = write_text(
        Document("Report", [Section("names", Code("y" * 10_000), [Prose("names", [words])])]), Options(80)
    )
    assert len(text.splitlines()) <= 8
    assert text.split()[-1].endswith(".")


@given(tables(), st.integers(30, 200))
def test_the_parts_of_a_table_are_the_table(table, width):
    whole = text_table(table, 500)
    parts = [part.table for part in fit(whole, width)]
    assert all(is_of_figures(part) and part.heads[0].strip() == "phase" for part in parts)
    assert [head.replace("\n", " ").strip() for part in parts for head in part.heads[1:]] == list(whole.heads[1:])
    assert sorted(cell for part in parts for row in part.rows for cell in row[1:] if cell) == sorted(figures(table))


def test_a_table_with_text_in_it_is_no_table_of_figures():
    assert not is_of_figures(TextTable(("phase", "verdict"), [("load", "growing")], frozenset()))
    assert not is_of_figures(TextTable(("phase",), [("load",)], frozenset()))
