"""What is kept for each path, for a limited number of paths."""

from __future__ import annotations

from fwmemtrace import phase
from fwmemtrace.probes.path_table import PathTable
from fwmemtrace.tracing import phases
from fwmemtrace.tracing.phases import MOST_PATHS


def test_a_full_table_takes_no_new_paths_and_still_updates_known_ones() -> None:
    table: PathTable[int] = PathTable(2)
    assert [table.put((name,), 1) for name in "abc"] == [True, True, False]
    assert not table.has_room
    assert table.put(("a",), 2)
    assert table == {("a",): 2, ("b",): 1}


def test_the_limit_is_that_of_phase_names() -> None:
    table: PathTable[int] = PathTable()
    for number in range(2 * MOST_PATHS):
        table.put((str(number),), number)
        with phase(f"made up {number}"):
            pass
    assert len(table) == MOST_PATHS
    assert len(phases._idle) <= MOST_PATHS
