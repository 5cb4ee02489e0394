"""Options of libraries: noted where they would change something, and measured there alone."""

from __future__ import annotations

import functools
import sys

import pytest

from fwmemtrace.suite.library_options import CACHE_ENTRIES, CACHES, OPTIONS, LibraryOptions

from .conftest import PLANTED, run_suite

MB = 1_000_000


@pytest.fixture
def hooked(monkeypatch):
    """Takes back what an option changes in this process."""
    monkeypatch.setattr(functools, "lru_cache", functools.lru_cache)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])


def filled_cache(entries, **how):
    @functools.lru_cache(**how)
    def double(number):
        return 2 * number

    for number in range(entries):
        double(number)
    return double.cache_info().currsize


@pytest.mark.usefixtures("hooked")
def test_a_watch_notes_a_cache_without_a_bound_and_leaves_it_so():
    options = LibraryOptions(OPTIONS, watch=True)
    options.install()
    assert filled_cache(100, maxsize=None) == 100
    assert filled_cache(100, maxsize=50) == 50
    (noted,) = options.noted()[CACHES]
    assert noted.endswith("double: 100 entries")


@pytest.mark.usefixtures("hooked")
def test_a_small_cache_is_not_worth_a_note():
    options = LibraryOptions(OPTIONS, watch=True)
    options.install()
    filled_cache(CACHE_ENTRIES, maxsize=None)
    assert options.noted() == {}


@pytest.mark.usefixtures("hooked")
def test_bounded_caches_hold_no_more_than_the_bound():
    LibraryOptions([CACHES]).install()
    assert filled_cache(100, maxsize=None) == CACHE_ENTRIES
    assert filled_cache(100, maxsize=50) == 50
    assert filled_cache(100) == 100


@pytest.mark.slow
def test_bounding_the_cache_is_measured_for_the_component_that_has_one(tmp_path):
    done = run_suite(PLANTED / "options.py", tmp_path / "s.bin", "--repeat", "1", "--skip", "native,python,deferred")
    assert done.status == 0, done.errors
    assert done.levers("bounded") == []
    lever = next(lever for lever in done.levers("cache") if lever["action"] == "set option")
    assert lever["subject"] == CACHES
    assert lever["saves_low_bytes"] == pytest.approx((60 - CACHE_ENTRIES) * 0.5 * MB, rel=0.1)
    (fact,) = [fact for fact in lever["evidence"] if fact["kind"] == "unbounded cache"]
    assert fact["names"] == ["options.look_up: 60 entries"]


@pytest.mark.slow
def test_padding_to_a_fixed_length_is_measured_against_the_longest_text(tmp_path):
    pytest.importorskip("tokenizers")
    skipped = ("--skip", "native,python,deferred")
    done = run_suite(f"{PLANTED / 'options.py'}:padding", tmp_path / "s.bin", "--repeat", "1", *skipped)
    assert done.status == 0, done.errors
    lever = next(lever for lever in done.levers("padding") if lever["action"] == "set option")
    assert lever["subject"] == "padding"
    assert lever["saves_low_bytes"] > 50 * MB
