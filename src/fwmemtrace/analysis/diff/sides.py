"""One side of a comparison: the processes of one or several runs, by what they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ... import results

MAIN = "main process"

Key: TypeAlias = tuple[str, int]  # what a process runs, and its rank among the workers that run the same


@dataclass(frozen=True)
class RunOfTrace:
    """One trace of a side.

    Attributes:
        report: its results.
        purposes: what processes of a suite were for, by process id; processes of the same purpose are repeats.
    """

    report: results.TraceReport
    purposes: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ProcessView:
    """What one process of a run shows.

    Attributes:
        process: the process.
        phases: its rows.
        ledger: what its changes consist of; None if that was not measured.
        rises: where its RSS rose; None if that was not watched.
    """

    process: results.Process
    phases: Sequence[results.PhaseRow]
    ledger: Sequence[results.Ledger] | None
    rises: results.Rises | None


def processes_by_key(runs: Sequence[RunOfTrace]) -> dict[Key, list[ProcessView]]:
    """Return the processes of all runs, with those that are repeats of each other together."""
    found: dict[Key, list[ProcessView]] = {}
    for run in runs:
        for key, view in _keyed(run):
            found.setdefault(key, []).append(view)
    return found


def name_of(key: Key) -> str:
    """Return what a process is called."""
    name, rank = key
    return name if rank == 0 else f"{name} ({rank + 1})"


def _keyed(run: RunOfTrace) -> list[tuple[Key, ProcessView]]:
    pools: dict[str, list[ProcessView]] = {}
    keyed: list[tuple[Key, ProcessView]] = []
    for number, view in enumerate(_views(run.report)):
        purpose = run.purposes.get(view.process.pid)
        if purpose is not None:
            keyed.append(((purpose, 0), view))
        elif number == 0:
            keyed.append(((MAIN, 0), view))
        else:
            pools.setdefault(_worker_name(view.process, run.report.trace.processes[0]), []).append(view)
    for name, views in pools.items():
        # Which worker of a pool gets which task is accidental: the largest is compared with the largest.
        views.sort(key=lambda view: -view.process.end_bytes)
        keyed += [((name, rank), view) for rank, view in enumerate(views)]
    return keyed


def _views(report: results.TraceReport) -> list[ProcessView]:
    rises = {row.pid: row for row in report.rises or []}
    phases: dict[int, list[results.PhaseRow]] = {}
    for row in report.phases:
        phases.setdefault(row.pid, []).append(row)
    ledger: dict[int, list[results.Ledger]] = {}
    for entry in report.ledger or []:
        ledger.setdefault(entry.pid, []).append(entry)
    return [
        ProcessView(
            process=process,
            phases=phases.get(process.pid, []),
            ledger=None if report.ledger is None else ledger.get(process.pid, []),
            rises=rises.get(process.pid),
        )
        for process in report.trace.processes
    ]


def _worker_name(process: results.Process, first: results.Process) -> str:
    """Return what a worker runs. Its arguments are left out: they may name files, pipes and ports of the run."""
    words = [word for word in process.command[1:] if word != "-m"]
    if process.command == first.command or not words:
        return "worker"
    program = next((word for word in words if not word.startswith("-")), "")
    if "-c" in words:
        program = "spawned" if "multiprocessing" in program else "python -c"
    return f"worker {program.rpartition('/')[2]}".strip()
