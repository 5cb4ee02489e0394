"""The collector is off inside the block, and afterwards as it was before."""

from __future__ import annotations

import gc

import pytest

from fwmemtrace.system.garbage_collector import CollectorPaused


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
