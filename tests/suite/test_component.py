"""Components, and how a suite file lists them."""

from __future__ import annotations

import re
import sys

import pytest

from fwmemtrace.errors import SuiteError
from fwmemtrace.suite import Component
from fwmemtrace.suite.component import load_entries, resolve, split_spec


class Whole:
    name = "whole"
    inputs = (1,)

    def init(self):
        return {}

    def request(self, component, item):
        return item


def test_an_object_or_a_class_with_the_attributes_is_a_component():
    assert resolve(Whole()).name == resolve(Whole).name == "whole"


@pytest.mark.parametrize(
    ("component", "message"),
    [
        (Component("", dict, len, [1]), "has no name"),
        (Component("a", None, len, [1]), "'a' has no init()"),
        (Component("a", dict, None, [1]), "'a' has no request()"),
        (Component("a", dict, len, []), "inputs=[]"),
        (Component("a", dict, len, "text"), "inputs='text'"),
        (Component("a", dict, len, [1], batch=0), "batch=0"),
        ("module_without_a_colon", "write it as 'module:name'"),
    ],
)
def test_the_error_names_what_is_missing(component, message):
    with pytest.raises(SuiteError, match=re.escape(message)):
        resolve(component)


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("suite.py", ("suite.py", None)),
        ("package.suite:one", ("package.suite", "one")),
        (r"C:\suite.py", (r"C:\suite.py", None)),
        (r"C:\suite.py:one", (r"C:\suite.py", "one")),
        ("suite.py:NLI validator", ("suite.py", "NLI validator")),
    ],
)
def test_the_spec_is_split_in_two(spec, parts):
    assert split_spec(spec) == parts


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_list_with_another_name_in_a_file_whose_name_is_no_identifier(folder):
    path = folder / "my-suite.py"
    path.write_text("from fwmemtrace.suite import Component\nmine = [Component('a', dict, len, ['x'])]\n")
    assert [entry.name for entry in load_entries(f"{path}:mine")] == ["a"]


def test_a_file_named_like_a_module_that_is_already_loaded(folder):
    path = folder / "json.py"
    path.write_text("components = ['here']\n")
    assert load_entries(str(path)) == ["here"]
    assert hasattr(sys.modules["json"], "dumps")
