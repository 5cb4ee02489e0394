"""The collector is off inside the block, and afterwards as it was before."""

from __future__ import annotations

import gc

import pytest

from fwmemtrace.system.garbage_collector import CollectorPaused, is_collector_on, pause_collector, resume_after_fork


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_restored(enabled):
    (gc.enable if enabled else gc.disable)()
    try:
        with CollectorPaused():
            assert not gc.isenabled()
            with CollectorPaused():
                pass
            assert not gc.isenabled()
        assert gc.isenabled() == enabled
        with pytest.raises(KeyError), CollectorPaused():
            raise KeyError
        assert gc.isenabled() == enabled
    finally:
        gc.enable()


@pytest.mark.parametrize("enabled", [True, False])
def test_a_pause_does_not_hide_what_the_program_chose(enabled):
    (gc.enable if enabled else gc.disable)()
    try:
        assert is_collector_on() == enabled
        with CollectorPaused(), CollectorPaused():
            assert is_collector_on() == enabled
        assert is_collector_on() == enabled
    finally:
        gc.enable()


@pytest.mark.parametrize("enabled", [True, False])
def test_a_forked_child_has_no_pauses_of_other_threads(enabled):
    (gc.enable if enabled else gc.disable)()
    try:
        pause_collector()
        resume_after_fork()
        assert gc.isenabled() == enabled
        assert is_collector_on() == enabled
    finally:
        gc.enable()
