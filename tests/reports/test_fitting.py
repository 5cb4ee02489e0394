"""Tables of figures fit the terminal, and no figure loses a character."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace.reports.base import Options
from fwmemtrace.reports.fitting import fit, is_of_figures
from fwmemtrace.reports.sections import Grid, Section
from fwmemtrace.reports.terminal import write_text

FIGURES = st.from_regex(r"[+-]?[0-9]{1,4}\.[0-9] [kMG]B", fullmatch=True)
HEADS = st.sampled_from(["RSS change", "peak RSS", "native live", "Python heap", "calls", "time"])


@st.composite
def grids(draw):
    columns = draw(st.integers(1, 10))
    heads = ("phase", *(draw(HEADS) for _ in range(columns)))
    names = draw(st.lists(st.text("abc/ ", min_size=1, max_size=40), min_size=1, max_size=5))
    rows = [(name, *(draw(st.one_of(st.just(""), FIGURES)) for _ in range(columns))) for name in names]
    return Grid(heads, rows, range(1, columns + 1))


@given(grids(), st.integers(30, 200))
def test_nothing_is_wider_than_the_terminal_and_no_figure_is_cut(grid, width):
    text = write_text([Section("Title", grids=[grid])], Options(width=width, colour=False, top=5))
    assert max(map(len, text.splitlines())) <= width
    words = text.split()
    for row in grid.rows:
        for figure in filter(None, row[1:]):
            number, unit = figure.split()
            assert (number, unit) in pairwise(words)


@given(grids(), st.integers(30, 200))
def test_the_parts_of_a_table_are_the_table(grid, width):
    parts = [part.grid for part in fit(grid, width)]
    assert all(is_of_figures(part) and part.heads[0] == "phase" for part in parts)
    assert [head.replace("\n", " ") for part in parts for head in part.heads[1:]] == list(grid.heads[1:])
    figures = sorted(cell for row in grid.rows for cell in row[1:] if cell)
    assert sorted(cell for part in parts for row in part.rows for cell in row[1:] if cell) == figures


def test_a_table_with_text_in_it_is_no_table_of_figures():
    assert not is_of_figures(Grid(("phase", "verdict"), [("load", "growing")]))
    assert not is_of_figures(Grid(("phase",), [("load",)]))
