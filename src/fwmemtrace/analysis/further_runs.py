"""Adds what further runs of a program have measured with one probe each to the report of its first run."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .. import results

_TABLES = ("native", "python_heap", "objects", "tensors", "collector")  # keys of a phase, named after their probes


def with_further_runs(
    report: results.TraceReport, runs: Sequence[tuple[str, results.TraceReport]]
) -> results.TraceReport:
    """Returns the report of the first run with the phases' figures of the others; RSS stays that of the first.

    Args:
        report: of the first run's process; it is not changed.
        runs: the name of the trace file and the report of each further run.
    """
    made = msgspec.structs.replace(
        report,
        phases=[msgspec.structs.replace(row) for row in report.phases],
        growth=None if report.growth is None else [msgspec.structs.replace(row) for row in report.growth],
        trace=msgspec.structs.replace(report.trace, notes=list(report.trace.notes)),
        runs=[],
    )
    for file, run in runs:
        process = run.trace.processes[0]
        tables = [name for name in _TABLES if name in process.probes and name not in report.trace.processes[0].probes]
        _add_phases(made, run, tables)
        _add_growth(made, run, tables)
        made.trace.notes += [f"{file}: {note}" for note in run.trace.notes]
        made.trace.complete = made.trace.complete and run.trace.complete
        made.trace.interrupted = made.trace.interrupted or run.trace.interrupted
        made.runs.append(
            results.Run(file=file, pid=process.pid, probes=process.probes, tables=tables, peak_bytes=process.peak_bytes)
        )
    return made


def _add_phases(made: results.TraceReport, run: results.TraceReport, tables: Sequence[str]) -> None:
    rows = {row.path: row for row in made.phases}
    for theirs in run.phases:
        row = rows.get(theirs.path)
        if row is not None:
            for name in tables:
                setattr(row, name, getattr(theirs, name))


def _add_growth(made: results.TraceReport, run: results.TraceReport, tables: Sequence[str]) -> None:
    """Adds the trends of the run's probes, and what they know of those phases to the trends of RSS."""
    pid = made.trace.processes[0].pid
    known = {row.path: row for row in made.growth or [] if row.metric == "rss"}
    for theirs in run.growth or []:
        if theirs.metric in tables:
            made.growth = [*(made.growth or []), msgspec.structs.replace(theirs, pid=pid)]
        row = known.get(theirs.path)
        if row is not None and theirs.metric == "rss":
            row.types = row.types or theirs.types
            row.sites = row.sites or theirs.sites
            row.held_by = row.held_by or theirs.held_by
