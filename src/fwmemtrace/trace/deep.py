"""Names and finds the traces of further runs of a program, each of which `run --deep` makes with another probe."""

from __future__ import annotations

import glob
from pathlib import Path

from ..tracefile.reader import TraceFile, open_trace_file

LABEL = "fwmemtrace.deep_of"  # of a further run: the id of the session of the first run
_MARK = ".deep-"


def deep_path(trace: Path, probe: str) -> Path:
    """Return where the trace of the run with a probe is, such as `trace.deep-native.bin` next to `trace.bin`.

    Args:
        trace: the trace of the first run.
        probe: the name of the probe.
    """
    return trace.with_name(f"{trace.stem}{_MARK}{probe}{trace.suffix}")


def further_runs(first: TraceFile) -> list[TraceFile]:
    """Return the traces of the further runs next to that of the first one. Those of earlier first runs are left out."""
    session = first.session()
    if session is None:
        return []
    found = []
    pattern = f"{glob.escape(first.path.stem)}{_MARK}*{glob.escape(first.path.suffix)}"
    for candidate in sorted(first.path.parent.glob(pattern)):
        if candidate.stem.rpartition(_MARK)[2].rpartition(".")[2].isdigit():
            continue  # of a worker
        try:
            file = open_trace_file(candidate)
            theirs = file.session()
        except (OSError, ValueError):
            continue
        if theirs is not None and theirs.labels.get(LABEL) == session.session_id:
            found.append(file)
    return found
