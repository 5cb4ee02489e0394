"""Starts the processes of a suite one after another, and records each in the suite's own trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ..analysis.suite.reading import SuiteProcess, SuiteRecords
from ..errors import TraceFileError
from ..recording.session import Session
from ..recording.workers import worker_path
from ..records import Note, SuiteRun
from ..trace import read
from .fresh_process import run_task
from .limits import CgroupLimit
from .protocol import ChildTask

Progress = Callable[[int, int, str], None]

_READ_AT_ONCE = ("resident", "use", "deferred")  # their results decide which processes come next


class Passes:
    """Runs one process after another.

    Args:
        spec: the suite, as `FILE.py|MODULE[:NAME]`.
        trace: the suite's own trace file.
        session: the suite's own session.
        folder: a folder for temporary files.
        repeat: runs used to compute a spread.
        timeout: seconds that one process may take; None for no limit.
        memory_limit: bytes that one process may use; 0 for no limit.
        cgroup: makes a control group with that limit for each process; None to limit the address space instead.
        progress: called before each process with the number of processes done, those known of, and the next one's name.

    Attributes:
        expected: the number of processes, as far as is known.
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
        self._done = 0
        self._spec = spec
        self._trace = trace
        self._session = session
        self._folder = folder
        self._repeat = repeat
        self._timeout = timeout
        self._limit = memory_limit
        self._cgroup = cgroup
        self._progress = progress

    def run(
        self,
        positions: list[int],
        component: str,
        purpose: str,
        probes: tuple[str, ...],
        *,
        repetition: int = 0,
        variant: str = "",
        variant_of: int = -1,
        defer: list[str] | None = None,
        environment: Mapping[str, str] | None = None,
        trim: bool = False,
    ) -> SuiteProcess:
        """Runs one process.

        Args:
            positions: the entries of the suite to run.
            component: the name of the component that it is about; "" for all of them.
            purpose: what it is for; see `records.SuiteRun`.
            probes: the probes of its session.
            repetition: how many runs of the same kind came before.
            variant: the variant, deferred module or variable that is tried.
            variant_of: the position of the component with the variant, if several run together.
            defer: modules whose import is deferred.
            environment: variables to set.
            trim: whether to trim the allocator after the requests.
        """
        again = f" {repetition + 1}/{self._repeat}" if repetition else ""
        name = " ".join(filter(None, [component or "all", purpose, variant])) + again
        self._progress(self._done, max(self.expected, self._done + 1), name)
        self._done += 1
        task = ChildTask(
            spec=self._spec,
            positions=positions,
            purpose=purpose,
            probes=list(probes),
            trace=str(self._trace),
            session_id=self._session.id,
            variant=variant,
            variant_of=variant_of,
            defer=defer or [],
            address_space=self._limit if self._cgroup is None else 0,
            trim=trim,
        )
        ended = run_task(
            task,
            self._folder,
            timeout=self._timeout,
            extra_environment=environment,
            cgroup=self._cgroup,
            limit=self._limit,
        )
        path = worker_path(self._trace, ended.pid)
        run = SuiteRun(
            pid=ended.pid if path.exists() else 0,
            component=component,
            purpose=purpose,
            repetition=repetition,
            variant=variant,
            outcome=ended.outcome,
            phase=ended.phase,
            message=ended.message,
            wall_ns=ended.wall_ns,
        )
        self._session.record(run)
        return self._read(run, path)

    def _read(self, run: SuiteRun, path: Path) -> SuiteProcess:
        if run.pid and run.purpose in _READ_AT_ONCE:
            try:
                trace = read(path)
                return SuiteProcess(run, trace.summary(), SuiteRecords().read(trace.files[0]))
            except TraceFileError as error:
                self._session.record(Note(0, "suite", f"cannot read the trace of process {run.pid}: {error}"))
        return SuiteProcess(run, None, SuiteRecords())
