"""Merges the reports of all processes of a trace into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from .. import results
from ..results.suite import Suite
from .findings import find
from .process_analysis import ProcessAnalysis
from .suite.build import build
from .suite.reading import SuiteProcess, SuiteRecords
from .worker_forecast import like_forked

Row = TypeVar("Row")


@dataclass(frozen=True)
class ProcessInput:
    """One process of a trace.

    Attributes:
        analysis: its records, analysed.
        report: the report of this process alone.
        suite_records: reads what only the processes of a component suite record.
    """

    analysis: ProcessAnalysis
    report: results.TraceReport
    suite_records: Callable[[], SuiteRecords] = SuiteRecords


def summarise(inputs: Sequence[ProcessInput], *, budget_bytes: int | None = None) -> results.TraceReport:
    """Analyse a trace.

    Args:
        inputs: its processes, the session's first one first.
        budget_bytes: a limit to check the peak RSS against.

    Returns:
        The report, with None wherever a probe was not on.
    """
    report = _merged([given.report for given in inputs])
    report.timeline = _timeline(inputs)
    if budget_bytes is not None:
        report.budget = check_budget(report.trace.processes, budget_bytes)
    suite = next((given.analysis.suite for given in inputs if given.analysis.suite.begin is not None), None)
    if suite is None:
        report.summary = find([given.report for given in inputs], [given.analysis.last_rise for given in inputs])
    else:
        report.suite = _suite(suite, inputs, budget_bytes)
        _keep_imports(report, _as_it_is(suite, inputs))
        if report.suite is not None and report.suite.budget is not None:
            # What the service needs, not what a heavy probe made one of the suite's processes need.
            budget = report.suite.budget
            report.budget = results.Budget(
                limit_bytes=budget.limit_bytes, peak_bytes=budget.peak_bytes, exceeded=budget.need_bytes > 0
            )
    return report


def _as_it_is(suite: SuiteRecords, inputs: Sequence[ProcessInput]) -> list[results.TraceReport]:
    """Returns the report of a process that ran the service as it is, or else of one of each component."""
    by_pid = {given.analysis.pid: given.report for given in inputs}
    runs = [run for run in suite.runs if run.outcome == "ok" and not run.variant and run.pid in by_pid]
    service = [by_pid[run.pid] for run in runs if run.purpose == "together"]
    alone = {run.component: by_pid[run.pid] for run in reversed(runs) if run.purpose == "resident"}
    return service[:1] or [*alone.values()]


def _keep_imports(report: results.TraceReport, processes: Sequence[results.TraceReport]) -> None:
    """Leave out the imports of other processes: a suite starts dozens, which import the same modules."""
    report.imports = _joined([process.imports for process in processes])
    report.import_packages = _joined([process.import_packages for process in processes])
    report.import_phases = _joined([process.import_phases for process in processes])


def check_budget(processes: Sequence[results.Process], limit_bytes: int) -> results.Budget:
    """Check the largest peak RSS of a process against a limit.

    Args:
        processes: of the trace.
        limit_bytes: the limit.
    """
    peak = max((process.peak_bytes for process in processes), default=0)
    return results.Budget(limit_bytes=limit_bytes, peak_bytes=peak, exceeded=peak > limit_bytes)


def _merged(reports: Sequence[results.TraceReport]) -> results.TraceReport:
    infos = [report.trace for report in reports]
    processes = [process for info in infos for process in info.processes]
    composition = _joined([report.composition for report in reports])
    forked = like_forked(processes, composition or [])
    return results.TraceReport(
        trace=results.TraceInfo(
            complete=all(info.complete for info in infos),
            lost_records=sum(info.lost_records for info in infos),
            dropped_records=sum(info.dropped_records for info in infos),
            damaged_bytes=sum(info.damaged_bytes for info in infos),
            notes=list(dict.fromkeys(note for info in infos for note in info.notes)),
            processes=processes,
            interrupted=any(info.interrupted for info in infos),
        ),
        phases=[phase for report in reports for phase in report.phases],
        imports=_joined([report.imports for report in reports]),
        import_packages=_joined([report.import_packages for report in reports]),
        import_phases=_joined([report.import_phases for report in reports]),
        ledger=_joined([report.ledger for report in reports]),
        composition=composition,
        workers=forked or next((report.workers for report in reports if report.workers is not None), None),
        growth=_joined([report.growth for report in reports]),
        rises=_joined([report.rises for report in reports]),
        runs=[run for report in reports for run in report.runs],
        overhead=[cost for report in reports for cost in report.overhead],
    )


def _joined(tables: Sequence[list[Row] | None]) -> list[Row] | None:
    """Join the tables of all processes; None if no process had the probe on."""
    known = [table for table in tables if table is not None]
    return [row for table in known for row in table] if known else None


def _timeline(inputs: Sequence[ProcessInput]) -> list[results.TimelinePoint]:
    """Join the timelines, all counted from the start of the first session."""
    begins = [given.analysis.began_ns for given in inputs]
    origin_ns = next((begin for begin in begins if begin is not None), 0)
    joined: list[results.TimelinePoint] = []
    for given, began_ns in zip(inputs, begins, strict=True):
        later_ns = (began_ns or 0) - origin_ns
        points = given.report.timeline
        if later_ns:
            points = [msgspec.structs.replace(point, at_ns=point.at_ns + later_ns) for point in points]
        joined += points
    return joined


def _suite(suite: SuiteRecords, inputs: Sequence[ProcessInput], budget_bytes: int | None) -> Suite | None:
    """Put the results of a component suite together from the reports of its processes."""
    if suite.begin is None:
        return None
    by_pid = {given.analysis.pid: given for given in inputs}
    processes = []
    for run in suite.runs:
        given = by_pid.get(run.pid)
        if given is None:
            processes.append(SuiteProcess(run, None, SuiteRecords()))
        else:
            processes.append(SuiteProcess(run, given.report, given.suite_records()))
    return build(
        suite.begin, suite.members, processes, budget_bytes, suite.moves, suite.models, suite.forks, end=suite.end
    )
