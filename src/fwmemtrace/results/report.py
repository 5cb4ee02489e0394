"""The JSON report as a whole, version 1."""

from __future__ import annotations

from typing import Literal

from .base import Result
from .growth import Growth
from .imports import Import, ImportPackage, ImportPhase
from .ledger import Composition, Ledger, Workers
from .phases import PhaseRow
from .process import Overhead, TimelinePoint, TraceInfo
from .rises import Rises
from .suite import Suite
from .summary import Summary

REPORT_FORMAT = "fwmemtrace-report"
REPORT_VERSION = 1


class Advice(Result, kw_only=True):
    """Something to do, and its savings."""

    title: str  # what to do
    saves_bytes: int  # the savings
    basis: Literal["measured", "computed"]  # "measured": tried out; "computed": from figures of this trace
    evidence: str  # the figures behind it
    phase: str  # path of the phase


class Budget(Result, kw_only=True):
    """The peak RSS and the limit to check it against."""

    limit_bytes: int  # the limit
    peak_bytes: int  # the largest peak RSS of a process
    exceeded: bool  # whether the peak is above the limit


class Run(Result, kw_only=True):
    """Another run of the program, which `run --deep` made with one probe. Its RSS is in no other table."""

    file: str  # name of its trace file
    pid: int  # process id
    probes: list[str]  # its probes
    tables: list[str]  # the probes whose figures here are of this run
    peak_bytes: int  # its peak RSS, which the probe raises


class TraceReport(Result, kw_only=True):
    """The whole report."""

    format: str = REPORT_FORMAT  # always the same
    version: int = REPORT_VERSION  # of the format
    trace: TraceInfo  # where the figures come from
    phases: list[PhaseRow]  # a row for each phase path and process
    imports: list[Import] | None = None  # a row for each module; from the probe `imports`
    ledger: list[Ledger] | None = None  # a row for each phase; from the probe `mappings`
    import_packages: list[ImportPackage] | None = None  # a row for each top-level package; from the probe `imports`
    import_phases: list[ImportPhase] | None = None  # a row for each phase that imported something
    composition: list[Composition] | None = None  # what RSS consists of at three moments; from the probe `mappings`
    workers: list[Workers] | None = None  # estimated totals for several workers
    growth: list[Growth] | None = None  # a row for each phase and metric
    rises: list[Rises] | None = None  # where RSS rose, a row for each process; null if there is no timeline
    advice: list[Advice] = []  # what to do, computed from this trace
    budget: Budget | None = None  # the check against a limit; null if none was given
    overhead: list[Overhead] = []  # the cost of the probes
    timeline: list[TimelinePoint] = []  # RSS over time, thinned out
    summary: Summary | None = None  # what holds most of the memory; null for a suite
    runs: list[Run] = []  # further runs of the program whose figures are in this report
    suite: Suite | None = None  # results of a component suite; null if the trace is not of a suite
