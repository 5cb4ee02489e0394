"""Phase paths as tuples and as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace.paths import OUTSIDE, in_tree_order, is_inside, nearest, read, write

NAMES = st.text(st.sampled_from("ab/\\ é"), min_size=1, max_size=5)
PATHS = st.lists(NAMES, max_size=4).map(tuple)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("init",), "init"),
        (("init", "load model"), "init/load model"),
        (("GET /users",), "GET \\/users"),
        (("GET /users", "db"), "GET \\/users/db"),
        (("C:\\temp",), "C:\\\\temp"),
        (("a\\", "b"), "a\\\\/b"),
        (("a\\/b",), "a\\\\\\/b"),
    ],
)
def test_names_are_joined_and_escaped(path, text):
    assert write(path) == text
    assert read(text) == path


@given(PATHS)
def test_reading_undoes_writing(path):
    assert read(write(path)) == path


@given(PATHS, PATHS)
def test_different_paths_have_different_texts(one, other):
    assert (write(one) == write(other)) == (one == other)


@given(PATHS, PATHS)
def test_a_prefix_of_the_text_at_a_slash_is_a_phase_around(one, other):
    """What tools that only see texts rely on."""
    if other:
        assert write(one).startswith(write(other) + "/") == (is_inside(one, other) and one != other)


@given(st.text(st.sampled_from("ab/\\"), max_size=8))
def test_any_text_can_be_read(text):
    names = read(text)
    assert read(write(names)) == names or names == ("",)


def test_a_backslash_before_an_ordinary_character_stands_for_itself():
    """As in traces written before names were escaped."""
    assert read("C:\\temp/x") == ("C:\\temp", "x")
    assert read("ends with \\") == ("ends with \\",)


def test_siblings_whose_names_share_a_beginning_are_not_inside_each_other():
    assert not is_inside(("GET /users/{id}",), ("GET /users",))
    assert nearest(("GET /users/{id}",), {("GET /users",)}) == OUTSIDE


@given(st.lists(PATHS.filter(bool), unique=True, max_size=20))
def test_tree_order_keeps_every_path_behind_the_ones_around_it(paths):
    ordered = in_tree_order(paths)
    assert sorted(ordered) == sorted(paths)
    for number, path in enumerate(ordered):
        around = nearest(path, set(paths))
        assert around == OUTSIDE or around in ordered[:number]


def test_what_happens_in_no_phase_is_inside_of_nothing():
    assert in_tree_order([(), ("a",), ("a", "b")]) == [("a",), ("a", "b")]
