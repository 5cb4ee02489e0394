"""The names of the phases that every process of a component goes through: they tie its processes together."""

from __future__ import annotations

from ...paths import read

IMPORT, INIT, FIRST, BATCH, AFTER_GC = "import", "init", "first request", "batch", "after gc"
AFTER_TRIM, AGAIN = "after trim", "batch again"  # only where nothing else is measured but RSS
REQUEST = "request"  # each one of the batch

STAGES = (IMPORT, INIT, FIRST, BATCH, AFTER_GC)


def in_a_stage(phase: str) -> bool:
    """Whether a phase, by the text of its path, is one of these or runs inside one."""
    return read(phase)[:1] in {(stage,) for stage in STAGES}
