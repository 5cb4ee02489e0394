"""Adds what further runs of a program have measured with one probe each to the report of its first run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec

from .. import results

NamedReport: TypeAlias = tuple[str, results.TraceReport]  # with the name of its trace file
_TABLES = ("native", "python_heap", "objects", "tensors", "collector")  # keys of a phase, named after their probes


def pair_processes(
    reports: Sequence[results.TraceReport], runs: Sequence[Sequence[NamedReport]]
) -> Iterator[tuple[results.TraceReport, list[NamedReport]]]:
    """Yields each process's report with those of the same process in further runs, which have other process ids.

    The first processes belong together. Workers do in the order in which they started, if there are as many.

    Args:
        reports: of the processes of the first run, that of its first process first.
        runs: of the processes of each further run, likewise.
    """
    by_start = sorted(range(1, len(reports)), key=lambda number: _started(reports[number]))
    places = {0: 0, **{number: place for place, number in enumerate(by_start, 1)}}
    ordered = [[run[0], *sorted(run[1:], key=lambda named: _started(named[1]))] for run in runs]
    for number, report in enumerate(reports):
        same = [run[places[number]] for run in ordered if number == 0 or len(run) == len(reports)]
        known = report.trace.processes  # none if damage took all its records
        yield report, [named for named in same if known and named[1].trace.processes]


def _started(report: results.TraceReport) -> int:
    return report.trace.processes[0].started_unix_ns if report.trace.processes else 0


def with_further_runs(report: results.TraceReport, runs: Sequence[NamedReport]) -> results.TraceReport:
    """Returns the report of the first run with the phases' figures of the others; RSS stays that of the first.

    Args:
        report: of the first run's process; it is not changed.
        runs: the name of the trace file and the report of each further run.
    """
    if not runs:
        return report
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
