"""Starts the processes of a suite, side by side where there is room, and records each in the suite's own trace."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..analysis.suite.reading import SuiteProcess, SuiteRecords
from ..errors import SinkError, TraceFileError
from ..recording.session import Session
from ..recording.workers import worker_path
from ..records import Note, SuiteChange, SuiteRun
from ..trace import read
from .available import available_memory
from .changes import VARIABLE, VARIANT
from .fresh_process import ProcessOutcome, Running, run_task
from .limits import CgroupLimit
from .protocol import ChildTask, ModelForm, SuiteEntry

LIGHT = ("resident", "mappings", "imports")  # probes that change no figure
_FULL_BATCH = ("resident", "native", "python")
_READ_LATER = ("native", "python")  # nothing depends on their results
_TIMES_AS_LONG = {"native": 2, "python": 4}  # as a light pass
_MOST_AT_ONCE = 4
_ROOM = 0.8  # of the available memory that processes may fill, side by side


class Progress(Protocol):
    """Called before each process."""

    def __call__(self, done: int, expected: int, name: str, left_ns: int) -> None:
        """Shows how far the suite is.

        Args:
            done: processes that have ended.
            expected: processes known of.
            name: what begins now.
            left_ns: an estimate of the time left; 0 if there is none yet.
        """


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What one process does.

    Attributes:
        positions: the entries of the suite to run.
        component: the name of the component that it is about; "" for all of them.
        purpose: what it is for; see `records.SuiteRun`.
        probes: the probes of its session.
        repetition: how many runs of the same kind come before.
        variant: what is tried, for people: a variant, a module, a variable.
        changes: what is tried.
        trim: whether to trim the allocator after the requests.
        timeout: seconds that it may take, if that is less than any process may take.
        folder: where the files of models are; "" for a process that tries none.
        way: how to run a model.
        calls: the calls of the model to repeat.
        answers: whether to keep some answers, to compare them.
    """

    positions: tuple[int, ...]
    component: str
    purpose: str
    probes: tuple[str, ...]
    repetition: int = 0
    variant: str = ""
    changes: tuple[SuiteChange, ...] = ()
    trim: bool = False
    timeout: float | None = None
    folder: str = ""
    way: str = ""
    calls: int = 0
    answers: bool = False


def component_pass(
    position: int,
    name: str,
    purpose: str,
    probes: tuple[str, ...] = LIGHT,
    *,
    repetition: int = 0,
    variant: str = "",
    changes: Sequence[SuiteChange] = (),
    trim: bool = False,
    timeout: float | None = None,
    answers: bool = False,
) -> Pass:
    """Returns a pass of one component alone; see `Pass`."""
    return Pass(
        positions=(position,),
        component=name,
        purpose=purpose,
        probes=probes,
        repetition=repetition,
        variant=variant,
        changes=tuple(changes),
        trim=trim,
        timeout=timeout,
        answers=answers,
    )


def variants_of(entry: SuiteEntry) -> list[SuiteChange]:
    """Returns the variants of a component as changes."""
    return [SuiteChange(VARIANT, entry.name, variant) for variant in entry.variants]


class Passes:
    """Runs processes.

    Args:
        spec: the suite, as `FILE.py|MODULE[:NAME]`.
        trace: the suite's own trace file.
        session: the suite's own session.
        folder: a folder for temporary files.
        repeat: runs used to compute a spread.
        timeout: seconds that one process may take; None for no limit.
        memory_limit: bytes that one process may use; 0 for no limit.
        cgroup: makes a control group with that limit for each process; None to limit the address space instead.
        progress: shows how far the suite is.

    Attributes:
        expected: the number of processes, as far as is known.
        at_once: the number of processes that run side by side.
        batches: requests of the phase `batch` by position, in passes that show no growth over them.
        forms: for each change of a model, how to make it.
    """

    def __init__(
        self,
        spec: str,
        trace: Path,
        session: Session,
        folder: Path,
        *,
        repeat: int,
        timeout: float | None,
        memory_limit: int,
        cgroup: CgroupLimit | None,
        progress: Progress,
    ) -> None:
        self.expected = 0
        self.batches: dict[int, int] = {}
        self.forms: dict[SuiteChange, ModelForm] = {}
        self.at_once = min(_MOST_AT_ONCE, _processors())
        self._done = 0
        self._spent_ns = 0
        self._largest = 0
        self._took: dict[tuple[int, ...], int] = {}  # nanoseconds of the first pass of each set of entries
        self._spec = spec
        self._trace = trace
        self._session = session
        self._folder = folder
        self._repeat = repeat
        self._timeout = timeout
        self._limit = memory_limit
        self._cgroup = cgroup
        self._progress = progress
        self._running = Running()

    def run(self, passes: Sequence[Pass], *, at_once: int = _MOST_AT_ONCE) -> list[SuiteProcess]:
        """Runs processes, side by side if their memory fits; returns them in the order given.

        Args:
            passes: what they do.
            at_once: the number that may run side by side, 1 where their times are compared.
        """
        self.expected = max(self.expected, self._done + len(passes))
        finished: dict[int, SuiteProcess] = {}
        with ThreadPoolExecutor(min(at_once, self._side_by_side())) as pool:
            try:
                # The longest first: at the end of them, a processor that is left without work waits for little.
                order = sorted(range(len(passes)), key=lambda at: -self._expected_ns(passes[at]))
                futures = {pool.submit(self._run, passes[at]): at for at in order}
                for future in as_completed(futures):
                    at = futures[future]
                    finished[at] = self._finish(passes[at], future)
            except BaseException:
                self._running.stop()
                pool.shutdown(cancel_futures=True)
                raise
        return [finished[at] for at in range(len(passes))]

    def _side_by_side(self) -> int:
        room = available_memory()
        if not room or not self._largest:
            return self.at_once
        return max(1, min(self.at_once, int(room * _ROOM) // self._largest))

    def _expected_ns(self, one: Pass) -> int:
        return self._took.get(one.positions, 0) * _TIMES_AS_LONG.get(one.purpose, 1)

    def _run(self, one: Pass) -> ProcessOutcome:
        again = f" {one.repetition + 1}/{self._repeat}" if one.repetition else ""
        name = " ".join(filter(None, [one.component or "the service", one.purpose, one.variant])) + again
        left = max(self.expected - self._done, 0) * self._spent_ns // (max(self._done, 1) * self.at_once)
        self._progress(self._done, max(self.expected, self._done + 1), name, left)
        task = ChildTask(
            spec=self._spec,
            positions=list(one.positions),
            purpose=one.purpose,
            probes=list(one.probes),
            trace=str(self._trace),
            session_id=self._session.id,
            changes=list(one.changes),
            address_space=self._limit if self._cgroup is None else 0,
            trim=one.trim,
            folder=one.folder,
            way=one.way,
            calls=one.calls,
            models=[self.forms[change] for change in one.changes if change in self.forms],
            answers=one.answers,
            batches={} if one.purpose in _FULL_BATCH else self.batches,
        )
        timeouts = [limit for limit in (self._timeout, one.timeout) if limit is not None]
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            return run_task(
                task,
                Path(folder),
                timeout=min(timeouts, default=None),
                extra_environment={**_side_by_side_environment(), **dict(_variables(one.changes))},
                cgroup=self._cgroup,
                limit=self._limit,
                running=self._running,
            )

    def _finish(self, one: Pass, future: Future[ProcessOutcome]) -> SuiteProcess:
        ended = future.result()
        self._done += 1
        self._spent_ns += ended.wall_ns
        self._took.setdefault(one.positions, ended.wall_ns)
        path = worker_path(self._trace, ended.pid)
        run = SuiteRun(
            pid=ended.pid if path.exists() else 0,
            component=one.component,
            purpose=one.purpose,
            repetition=one.repetition,
            variant=one.variant,
            outcome=ended.outcome,
            phase=ended.phase,
            message=ended.message,
            wall_ns=ended.wall_ns,
            changes=list(one.changes),
        )
        self._session.record(run)
        if trouble := self._session.trouble or ended.unwritten:  # what runs from now on would be lost, too
            raise SinkError(f"the traces cannot be written: {trouble}")
        process = self._read(run, path)
        if process.report is not None:
            self._largest = max([self._largest, *(one.peak_bytes for one in process.report.trace.processes)])
        return process

    def _read(self, run: SuiteRun, path: Path) -> SuiteProcess:
        if run.pid and run.purpose not in _READ_LATER:
            try:
                trace = read(path)
                return SuiteProcess(run, trace.summary(), SuiteRecords().read(trace.files[0]))
            except TraceFileError as error:
                self._session.record(Note(0, "suite", f"cannot read the trace of process {run.pid}: {error}"))
        return SuiteProcess(run, None, SuiteRecords())


def _side_by_side_environment() -> dict[str, str]:
    """Lets idle threads of OpenMP sleep: those of two processes that wait in a loop slow each other down many times."""
    return {} if "OMP_WAIT_POLICY" in os.environ else {"OMP_WAIT_POLICY": "PASSIVE"}


def _variables(changes: Sequence[SuiteChange]) -> Iterator[tuple[str, str]]:
    for change in changes:
        if change.kind == VARIABLE:
            name, _, value = change.subject.partition("=")
            yield name, value


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
