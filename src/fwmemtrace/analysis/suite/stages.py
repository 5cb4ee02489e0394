"""The phases that every process of a component goes through; their names tie its processes together."""

from __future__ import annotations

from ...paths import read

IMPORT, INIT, FIRST, BATCH, AFTER_GC = "import", "init", "first request", "batch", "after gc"
AFTER_TRIM, AGAIN = "after trim", "batch again"  # only in the runs with the light probes
SHARED = "equal arrays shared"  # after init: until then there are two copies
REQUEST = "request"  # each request of the batch

STAGES = (IMPORT, INIT, FIRST, BATCH, AFTER_GC)


def in_a_stage(path: str) -> bool:
    """Returns whether a phase, given by the text of its path, is a stage or runs inside one."""
    return bool(path) and read(path)[0] in STAGES


def imported_by_program(phase: str) -> bool:
    """Tells whether a module that was imported in a phase is the program's, not the tracer's.

    In a process with several components their phases enclose the stages.
    """
    return bool(phase) and not {*STAGES}.isdisjoint(read(phase))
