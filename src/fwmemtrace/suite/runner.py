"""Runs a suite: every component in fresh processes, one purpose each, and writes one trace."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from glob import escape
from pathlib import Path

from ..analysis.suite.reading import SuiteProcess, SuiteRecords
from ..analysis.suite.stages import AFTER_TRIM
from ..analysis.suite.unused import unused_imports
from ..errors import TraceFileError
from ..recording.session import Session, session
from ..recording.workers import worker_path
from ..records import Note, SuiteBegin, SuiteMember, SuiteRun
from ..trace import read
from .child import Listed, Plan
from .fresh_process import bare_rss, carry_out, list_components
from .limits import CgroupLimit, find_cgroup

_TRUTH = ("resident", "mappings", "imports")
_NATIVE = ("resident", "native")
_PYTHON = ("resident", "python_heap", "objects")
_WORTH_A_TRIAL = 2_000_000  # bytes that an unused import or the allocator must hold before a process is spent on it
_PART_WORTH_A_TRIAL = 10_000_000  # the same for a part of a package that is in use
_DEFERRED_AT_MOST = 3
_ARENAS = {"MALLOC_ARENA_MAX": "1"}

Progress = Callable[[int, int, str], None]


class Runner:
    """One suite.

    Args:
        spec: `FILE.py|MODULE[:NAME]`.
        trace: the trace file to write; those of its processes lie beside it.
        repeat: how often everything is measured of which a spread is shown.
        timeout: seconds that one process may take.
        memory_limit: bytes that one process may have; 0 for no limit.
        budget: bytes that the service shall need at most; 0 where none is given.
        progress: told before each process: how many were, how many there will be as far as is known, and what is next.
    """

    def __init__(
        self,
        spec: str,
        trace: Path,
        *,
        repeat: int = 3,
        timeout: float | None = 600.0,
        memory_limit: int = 0,
        budget: int = 0,
        progress: Progress | None = None,
    ) -> None:
        self._spec = spec
        self._trace = trace
        self._repeat = repeat
        self._timeout = timeout
        self._limit = memory_limit
        self._budget = budget
        self._progress = progress or (lambda done, known, what: None)
        self._cgroup: CgroupLimit | None = find_cgroup() if memory_limit else None
        self._done = self._known = 0
        self._session: Session

    def go(self) -> None:
        """Run everything.

        Raises:
            SuiteError: if the suite cannot be read.
            SinkError: if the trace cannot be written.
        """
        with tempfile.TemporaryDirectory(prefix="fwmemtrace-suite-") as folder:
            self._folder = Path(folder)
            self._progress(0, 0, f"reading {self._spec}")
            members = list_components(self._spec, self._folder, self._timeout)
            _forget(self._trace)
            self._session = session(str(self._trace), probes=["resident"], interval=0)
            try:
                self._all(members)
            finally:
                self._session.stop()

    def _all(self, members: list[Listed]) -> None:
        self._members = members
        how = "" if not self._limit else "RLIMIT_AS" if self._cgroup is None else self._cgroup.how
        timeout_ns = round((self._timeout or 0) * 1e9)
        self._session.record(
            SuiteBegin(self._spec, self._repeat, timeout_ns, self._limit, how, self._budget, bare_rss())
        )
        for position, member in enumerate(members):
            self._session.record(
                SuiteMember(member.name, position, member.inputs, member.batch, member.variants, member.problem)
            )
        sound = [position for position, member in enumerate(members) if not member.problem]
        self._known = sum(self._repeat * (1 + len(members[position].variants)) + 3 for position in sound)
        if len(sound) > 1:
            self._known += self._repeat + sum(len(members[position].variants) for position in sound)
        self._failed_variants: dict[int, set[str]] = {position: set() for position in sound}
        good = [position for position in sound if self._component(position, members[position])]
        if len(good) > 1:
            self._together(good, members)

    def _together(self, positions: list[int], members: list[Listed]) -> None:
        """All in one process, as the service has them; then with each variant in its component's place."""
        for repetition in range(self._repeat):
            self._run(positions, "", "together", _TRUTH, repetition=repetition)
        for position in positions:
            for variant in members[position].variants:
                if variant not in self._failed_variants[position]:
                    self._run(positions, "", "together", _TRUTH, variant=variant, variant_of=position)

    def _component(self, position: int, member: Listed) -> bool:
        """Every purpose of one component; whether it could be measured at all."""
        truth: SuiteProcess | None = None
        for repetition in range(self._repeat):
            truth = self._run([position], member.name, "resident", _TRUTH, repetition=repetition, trim=True)
            if truth.run.outcome != "ok":
                self._known -= self._repeat * (1 + len(member.variants)) + 3 - repetition - 1
                return False
        self._run([position], member.name, "native", _NATIVE)
        self._run([position], member.name, "python", _PYTHON)
        use = self._run([position], member.name, "use", ("resident",))
        for variant in member.variants:
            for repetition in range(self._repeat):
                run = self._run([position], member.name, "variant", _TRUTH, repetition=repetition, variant=variant).run
                if run.outcome != "ok":
                    self._failed_variants[position].add(variant)
                    self._known -= self._repeat - repetition - 1
                    break
        if truth is not None:
            self._try_deferring(position, member.name, truth, use)
            self._try_arenas(position, member.name, truth)
        return True

    def _try_deferring(self, position: int, name: str, truth: SuiteProcess, use: SuiteProcess) -> None:
        """Measure what is saved where imports that nothing was called of are put off."""
        if truth.report is None or truth.report.imports is None or use.own.use is None:
            return
        used = {*use.own.use.ran, *use.own.use.read}
        packages = [one.root for one in unused_imports(truth.report.imports, used) if one.bytes >= _WORTH_A_TRIAL]
        parts = [
            one.root
            for one in unused_imports(truth.report.imports, used, whole=False)
            if one.bytes >= _PART_WORTH_A_TRIAL and one.root not in packages
        ]
        roots = [*packages, *parts]
        if not roots:
            return
        if len(roots) > 1:
            # Most of what a library imports it reads at once: one process tells which can be put off at all.
            self._known += 1
            at_once = self._run([position], name, "deferred", _TRUTH, variant=", ".join(roots), defer=roots)
            told = at_once.own.deferred
            if at_once.run.outcome == "ok" and told is not None:
                roots = [root for root in roots if root in told.put_off and root not in told.loaded]
        for root in roots[:_DEFERRED_AT_MOST]:
            for repetition in range(self._repeat):
                self._known += 1
                one = self._run([position], name, "deferred", _TRUTH, repetition=repetition, variant=root, defer=[root])
                told = one.own.deferred
                if one.run.outcome != "ok" or told is None or root in told.loaded:
                    break

    def _try_arenas(self, position: int, name: str, truth: SuiteProcess) -> None:
        """Measure what fewer arenas save, where the allocator was seen to hold free memory."""
        if truth.report is None:
            return
        returned = sum(
            -phase.resident.delta_bytes
            for phase in truth.report.phases
            if phase.path == AFTER_TRIM and phase.resident is not None
        )
        if returned >= _WORTH_A_TRIAL:
            self._known += 1
            variant = ",".join(f"{variable}={value}" for variable, value in _ARENAS.items())
            self._run([position], name, "arenas", _TRUTH, variant=variant, environment=_ARENAS)

    def _run(
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
        if variant_of >= 0:
            component = self._members[variant_of].name
        again = f" {repetition + 1}/{self._repeat}" if repetition else ""
        what = " ".join(filter(None, [component or "all", purpose, variant])) + again
        self._progress(self._done, max(self._known, self._done + 1), what)
        self._done += 1
        plan = Plan(
            spec=self._spec,
            positions=positions,
            purpose=purpose,
            probes=list(probes),
            trace=str(self._trace),
            session_id=self._session.id,
            told="",
            variant=variant,
            variant_of=variant_of,
            defer=defer or [],
            address_space=self._limit if self._cgroup is None else 0,
            trim=trim,
        )
        ended = carry_out(
            plan,
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
        try:
            if path.exists() and purpose in ("resident", "use", "deferred"):
                found = read(path)
                return SuiteProcess(run, found.summary(), SuiteRecords().read(found.files[0]))
        except TraceFileError as error:
            self._session.record(Note(0, "suite", f"the trace of pid {ended.pid} cannot be read: {error}"))
        return SuiteProcess(run, None, SuiteRecords())


def _forget(trace: Path) -> None:
    """Remove the processes' traces of the suite that this one replaces: without its first file nothing finds them."""
    with suppress(TraceFileError, OSError):
        old = read(trace)
        for file in old.files[1:]:
            # With those of its own workers, and the capture that a killed one leaves.
            for path in file.path.parent.glob(f"{escape(file.path.stem)}.*"):
                path.unlink(missing_ok=True)
