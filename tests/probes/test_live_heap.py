"""How a snapshot says which stacks hold the most live bytes."""

from __future__ import annotations

from fwmemtrace.probes import live_heap
from fwmemtrace.probes.live_heap import describe

MB = 1_000_000


def test_stacks_are_added_up_over_phases_and_small_ones_left_out() -> None:
    load, own = ("load", "/app/cache.py", 12), ("<listcomp>", f"{live_heap._OURS}/heap/census.py", 3)
    sites = [
        (30.0 * MB, 1e12, 60, [load, ("main", "/app/main.py", 3)]),
        (20.0 * MB, 1e12, 40, []),
        (15.0 * MB, 1e12, 30, [own, load, ("main", "/app/main.py", 3)]),
        (0.5 * MB, 1e11, 1, [("tiny", "/app/main.py", 9)]),
    ]
    text = describe(0.5 * MB, (65.5 * MB, 3.1e12, 131, []), sites)
    total, first, second = text.split("; ")
    assert total.startswith("live heap, by its samples: 65.5 MB (")
    assert first.startswith("45.0 MB (")
    assert first.endswith("by load (cache.py:12) < main (main.py:3)")
    assert second.startswith("20.0 MB (")
    assert second.endswith("by threads that run no Python code")


def test_an_empty_heap_has_an_upper_bound() -> None:
    assert describe(512 * 1024.0, (0.0, 0.0, 0, []), []).startswith("live heap, by its samples: 0 B (0 B to 1.9 MB)")
