"""The records that only a suite's processes write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from ... import results
from ...paths import OUTSIDE, PhasePath
from ...records import (
    PhaseBegin,
    PhaseEnd,
    Record,
    SuiteAnswers,
    SuiteArrays,
    SuiteBegin,
    SuiteChange,
    SuiteDeferred,
    SuiteEnd,
    SuiteForks,
    SuiteMember,
    SuiteModel,
    SuiteMove,
    SuiteRun,
    SuiteUse,
    SuiteWorkers,
)
from .stages import BATCH, REQUEST


@dataclass
class SuiteRecords:
    """What one process of a suite records besides what every session does.

    Attributes:
        begin: in the suite's own process: the settings of the suite.
        end: in the suite's own process: how the suite ended; None if it was killed.
        members: in the suite's own process: the components, in their order.
        runs: in the suite's own process: each process that it started.
        moves: in the suite's own process: the import statements that it looked at.
        models: in the suite's own process: the models that it tried.
        forks: in the suite's own process: what forked workers copy.
        use: in a pass that watches what the requests use: the modules.
        arrays: in the same pass: the live tensors and arrays.
        answers: of a component or variant: what it answers to the first requests.
        workers: the processes that the components of this one started, by component.
        deferred: in a pass that defers imports: which modules stayed unloaded.
        requests: RSS after each request of the batch, in bytes.
    """

    takes: ClassVar[tuple[type[Record], ...]] = (
        *(SuiteBegin, SuiteEnd, SuiteMember, SuiteRun),
        *(SuiteUse, SuiteArrays, SuiteDeferred, SuiteMove, SuiteModel, SuiteAnswers, SuiteForks),
        SuiteWorkers,
    )

    begin: SuiteBegin | None = None
    end: SuiteEnd | None = None
    members: list[SuiteMember] = field(default_factory=list)
    runs: list[SuiteRun] = field(default_factory=list)
    moves: list[SuiteMove] = field(default_factory=list)
    models: list[SuiteModel] = field(default_factory=list)
    forks: list[SuiteForks] = field(default_factory=list)
    use: SuiteUse | None = None
    arrays: SuiteArrays | None = None
    answers: SuiteAnswers | None = None
    workers: list[SuiteWorkers] = field(default_factory=list)
    deferred: SuiteDeferred | None = None
    requests: list[int] = field(default_factory=list)

    def read(self, records: Iterable[Record]) -> SuiteRecords:
        """Takes the records of one process."""
        open_requests: set[int] = set()
        batch = 0
        for record in records:
            if isinstance(record, PhaseBegin):
                if record.name == BATCH and not record.parent:
                    batch = record.span
                elif record.name == REQUEST and record.parent == batch and batch:
                    open_requests.add(record.span)
            elif isinstance(record, PhaseEnd):
                if record.span in open_requests:
                    open_requests.remove(record.span)
                    self.requests.append(record.rss_bytes)
            else:
                self.add(record, OUTSIDE)
        return self

    def add(self, record: Record, path: PhasePath) -> None:
        """Takes one record; ignores those that every session writes."""
        if isinstance(record, SuiteBegin):
            self.begin = record
        elif isinstance(record, SuiteEnd):
            self.end = record
        elif isinstance(record, SuiteMember):
            self.members.append(record)
        elif isinstance(record, SuiteRun):
            self.runs.append(record)
        elif isinstance(record, SuiteMove):
            self.moves.append(record)
        elif isinstance(record, SuiteModel):
            self.models.append(record)
        elif isinstance(record, SuiteForks):
            self.forks.append(record)
        elif isinstance(record, SuiteUse):
            self.use = record
        elif isinstance(record, SuiteArrays):
            self.arrays = record
        elif isinstance(record, SuiteAnswers):
            self.answers = record
        elif isinstance(record, SuiteWorkers):
            self.workers.append(record)
        elif isinstance(record, SuiteDeferred):
            self.deferred = record


@dataclass
class SuiteProcess:
    """One process of a suite, with its trace.

    Attributes:
        run: its purpose and outcome; see `records.SuiteRun`.
        report: the analysis of its trace; None if it left none.
        own: the records that only a suite's processes write.
    """

    run: SuiteRun
    report: results.TraceReport | None
    own: SuiteRecords

    @property
    def changes(self) -> list[SuiteChange]:
        """What it changed; traces of older versions have no more than the name of a variant."""
        run = self.run
        if not run.changes and run.purpose == "together" and run.variant:
            return [SuiteChange("variant", run.component, run.variant)]
        return run.changes


def shares_nothing(process: SuiteProcess) -> bool:
    """Tells whether a process was to share equal arrays, and found none."""
    stock = process.own.arrays
    return stock is not None and not stock.twins and any(change.kind == "share" for change in process.changes)
