"""What a comparison needs to know of a trace."""

from __future__ import annotations

from ..analysis.diff import RunOfTrace
from ..trace import Trace

_STACKS = 200  # of each phase, which are compared


def run_of_trace(trace: Trace) -> RunOfTrace:
    """Return the results of a trace, and what the processes of a suite are for; those of one purpose are repeats."""
    runs = trace.processes[0].suite_records().runs
    purposes = {
        run.pid: " ".join(word for word in (run.component or "all components", run.purpose, run.variant) if word)
        for run in runs
        if run.pid
    }
    return RunOfTrace(trace.summary(top=_STACKS), purposes)
