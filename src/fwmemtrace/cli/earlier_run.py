"""Finds an earlier run of a suite to compare with."""

from __future__ import annotations

from pathlib import Path

from ..errors import TraceFileError
from ..results.suite import Suite
from ..trace import read

_LAST = "LAST"
_TRACE = "trace.bin"


def earlier_run(place: str) -> tuple[str, Suite]:
    """Return what an earlier run is called, and its results.

    Args:
        place: its trace file, the folder that `--report-dir` made for it, or `DIR/LAST` for the last of such folders.

    Raises:
        TraceFileError: if there is no such run, or it is not of a suite.
    """
    path = Path(place)
    if path.name == _LAST and not path.exists():
        runs = sorted(one.parent for one in path.parent.glob(f"*/{_TRACE}"))
        if not runs:
            raise TraceFileError(f"{path.parent}: no run of a suite there; keep runs with --report-dir {path.parent}")
        path = runs[-1]
    if path.is_dir():
        path = path / _TRACE
    suite = read(path).summary().suite
    if suite is None:
        raise TraceFileError(f"{path} is not the trace of a suite")
    label = path.parent.name if path.name == _TRACE and path.parent.name else path.name
    return label, suite
