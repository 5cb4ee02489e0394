"""Dicts that only grow: noted, bounded in a trial, and a lever only if the answers stay equal without their entries."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from fwmemtrace.suite.growing_dicts import DictBounds, DictWatch
from fwmemtrace.suite.library_options import CACHE_ENTRIES

from .conftest import PLANTED, run_suite

MB = 1_000_000


class Holder:
    """What `init` returned, with a dict in an attribute."""

    def __init__(self, kept):
        self.kept = kept


@pytest.fixture
def module(monkeypatch):
    made = ModuleType("a_program_of_a_test")
    made.__file__ = "/srv/a_program_of_a_test.py"
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def fill(kept, count):
    kept.update((f"key {number}", number) for number in range(count))


def noted_after(instance, kept, count):
    watch = DictWatch(instance)
    fill(kept, 1)
    watch.first_answered()
    fill(kept, count)
    return watch


def test_a_dict_that_grows_is_noted_where_it_lives(module):
    module.CACHE = {}
    assert noted_after(None, module.CACHE, 40).noted() == ["a_program_of_a_test.CACHE: 40 entries"]
    for instance, name in (({}, "init()"), (Holder({}), "init().kept"), ([Holder({})], "init()[0].kept")):
        kept = instance if isinstance(instance, dict) else getattr(instance, "kept", None)
        assert noted_after(instance, instance[0].kept if kept is None else kept, 40).noted() == [f"{name}: 40 entries"]


def test_a_small_dict_and_one_that_forgets_are_not_noted(module):
    module.CACHE = {}
    assert noted_after(None, module.CACHE, CACHE_ENTRIES).noted() == []
    watch = noted_after(None, module.CACHE, 100)
    del module.CACHE["key 0"]
    assert watch.noted() == []


def test_a_bound_takes_the_oldest_entries_and_none_that_init_made(module):
    module.CACHE = {"from init": 0}
    bounds = DictBounds(["a_program_of_a_test.CACHE"], None)
    fill(module.CACHE, 100)
    bounds.apply()
    newest = [f"key {number}" for number in range(100 - CACHE_ENTRIES, 100)]
    assert list(module.CACHE) == ["from init", *newest]


@pytest.mark.slow
def test_only_a_dict_that_answers_do_not_depend_on_is_a_lever(tmp_path):
    arguments = ("--repeat", "1", "--skip", "native,python,deferred,arenas,together")
    done = run_suite(PLANTED / "dicts.py", tmp_path / "s.bin", *arguments)
    assert done.status == 0, done.errors
    (lever,) = [lever for lever in done.suite["matrix"] if lever["action"] == "bound dict"]
    assert (lever["component"], lever["subject"], lever["basis"]) == ("module", "dicts.CACHE", "measured")
    assert lever["saves_low_bytes"] == pytest.approx((60 - CACHE_ENTRIES) * 0.3 * MB, rel=0.1)
    assert {"unbounded cache", "answers equal"} <= {fact["kind"] for fact in lever["evidence"]}
