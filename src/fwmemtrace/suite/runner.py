"""Runs a suite: every component in fresh processes, each for one purpose, into one trace."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from glob import escape
from pathlib import Path

from ..analysis.suite.reading import SuiteProcess
from ..analysis.suite.stages import AFTER_TRIM
from ..analysis.suite.unused import unused_imports
from ..errors import TraceFileError
from ..recording.session import session
from ..records import SuiteBegin, SuiteMember
from ..trace import read
from .fresh_process import bare_rss, list_components
from .limits import find_cgroup
from .passes import Passes, Progress
from .protocol import SuiteEntry

_LIGHT = ("resident", "mappings", "imports")
_NATIVE = ("resident", "native")
_PYTHON = ("resident", "python_heap", "objects")
_SINGLE_PASSES = 3  # native, python and use: of these nothing is repeated
_WORTH_A_TRIAL = 2_000_000  # bytes of an unused import, or of free memory in the allocator, that justify a process
_PART_WORTH_A_TRIAL = 10_000_000  # the same for a part of a package that is used
_DEFERRED_AT_MOST = 3
_ARENAS = {"MALLOC_ARENA_MAX": "1"}


class SuiteRunner:
    """One run of a suite.

    Args:
        spec: the suite, as `FILE.py|MODULE[:NAME]`.
        trace: the trace file to write; the traces of its processes lie next to it.
        repeat: runs used to compute a spread.
        timeout: seconds that one process may take; None for no limit.
        memory_limit: bytes that one process may use; 0 for no limit.
        budget: bytes that the service may use; 0 for no budget.
        progress: called before each process with the number of processes done, those known of, and the next one's name.
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
        self._progress = progress or (lambda done, expected, name: None)
        self._passes: Passes

    def run(self) -> None:
        """Runs all processes.

        Raises:
            SuiteError: if the suite cannot be read.
            SinkError: if the trace cannot be written.
        """
        with tempfile.TemporaryDirectory(prefix="fwmemtrace-suite-") as folder:
            self._progress(0, 0, f"reading {self._spec}")
            entries = list_components(self._spec, Path(folder), self._timeout)
            _remove_worker_traces(self._trace)
            cgroup = find_cgroup() if self._limit else None
            limited_by = "" if not self._limit else "RLIMIT_AS" if cgroup is None else cgroup.how
            with session(str(self._trace), probes=["resident"], interval=0) as recording:
                timeout_ns = round((self._timeout or 0) * 1e9)
                recording.record(
                    SuiteBegin(self._spec, self._repeat, timeout_ns, self._limit, limited_by, self._budget, bare_rss())
                )
                for position, entry in enumerate(entries):
                    recording.record(
                        SuiteMember(entry.name, position, entry.inputs, entry.batch, entry.variants, entry.problem)
                    )
                self._passes = Passes(
                    self._spec,
                    self._trace,
                    recording,
                    Path(folder),
                    repeat=self._repeat,
                    timeout=self._timeout,
                    memory_limit=self._limit,
                    cgroup=cgroup,
                    progress=self._progress,
                )
                self._run_all(entries)

    def _run_all(self, entries: list[SuiteEntry]) -> None:
        sound = {position: entry for position, entry in enumerate(entries) if not entry.problem}
        self._passes.expected = sum(map(self._processes_of, sound.values()))
        if len(sound) > 1:
            self._passes.expected += self._repeat + sum(len(entry.variants) for entry in sound.values())
        self._failed_variants: set[tuple[int, str]] = set()
        measured = [position for position, entry in sound.items() if self._component(position, entry)]
        if len(measured) > 1:
            self._together(measured, entries)

    def _processes_of(self, entry: SuiteEntry) -> int:
        return self._repeat * (1 + len(entry.variants)) + _SINGLE_PASSES

    def _component(self, position: int, entry: SuiteEntry) -> bool:
        """Runs one component for every purpose; returns whether it could be measured at all."""
        passes, name = self._passes, entry.name
        light: SuiteProcess | None = None
        for repetition in range(self._repeat):
            light = passes.run([position], name, "resident", _LIGHT, repetition=repetition, trim=True)
            if light.run.outcome != "ok":
                passes.expected -= self._processes_of(entry) - repetition - 1
                return False
        passes.run([position], name, "native", _NATIVE)
        passes.run([position], name, "python", _PYTHON)
        use = passes.run([position], name, "use", ("resident",))
        for variant in entry.variants:
            self._variant(position, name, variant)
        if light is not None:
            self._try_deferring(position, name, light, use)
            self._try_arenas(position, name, light)
        return True

    def _variant(self, position: int, name: str, variant: str) -> None:
        for repetition in range(self._repeat):
            process = self._passes.run([position], name, "variant", _LIGHT, repetition=repetition, variant=variant)
            if process.run.outcome != "ok":
                self._failed_variants.add((position, variant))
                self._passes.expected -= self._repeat - repetition - 1
                return

    def _together(self, positions: list[int], entries: list[SuiteEntry]) -> None:
        """Runs all components in one process, as the service does; then with each variant in place of its component."""
        for repetition in range(self._repeat):
            self._passes.run(positions, "", "together", _LIGHT, repetition=repetition)
        for position in positions:
            for variant in entries[position].variants:
                if (position, variant) not in self._failed_variants:
                    name = entries[position].name
                    self._passes.run(positions, name, "together", _LIGHT, variant=variant, variant_of=position)

    def _try_deferring(self, position: int, name: str, light: SuiteProcess, use: SuiteProcess) -> None:
        """Measures what deferring the largest unused imports saves."""
        roots = _worth_deferring(light, use)
        if len(roots) > 1:
            # A library reads most of what it imports at once: one process tells which imports can be deferred at all.
            trial = self._defer(position, name, roots)
            deferred = trial.own.deferred
            if trial.run.outcome == "ok" and deferred is not None:
                roots = [root for root in roots if root in deferred.put_off and root not in deferred.loaded]
        for root in roots[:_DEFERRED_AT_MOST]:
            for repetition in range(self._repeat):
                trial = self._defer(position, name, [root], repetition)
                deferred = trial.own.deferred
                if trial.run.outcome != "ok" or deferred is None or root in deferred.loaded:
                    break

    def _defer(self, position: int, name: str, roots: list[str], repetition: int = 0) -> SuiteProcess:
        self._passes.expected += 1
        return self._passes.run(
            [position], name, "deferred", _LIGHT, repetition=repetition, variant=", ".join(roots), defer=roots
        )

    def _try_arenas(self, position: int, name: str, light: SuiteProcess) -> None:
        """Measures what fewer arenas save, if the allocator held free memory."""
        if light.report is None:
            return
        returned = sum(
            -phase.resident.delta_bytes
            for phase in light.report.phases
            if phase.path == AFTER_TRIM and phase.resident is not None
        )
        if returned >= _WORTH_A_TRIAL:
            self._passes.expected += 1
            variables = ",".join(f"{variable}={value}" for variable, value in _ARENAS.items())
            self._passes.run([position], name, "arenas", _LIGHT, variant=variables, environment=_ARENAS)


def _worth_deferring(light: SuiteProcess, use: SuiteProcess) -> list[str]:
    """Returns the unused imports that are large enough for a trial: packages first, then parts of packages in use."""
    if light.report is None or light.report.imports is None or use.own.use is None:
        return []
    used = {*use.own.use.ran, *use.own.use.read}
    packages = [one.root for one in unused_imports(light.report.imports, used) if one.bytes >= _WORTH_A_TRIAL]
    parts = [
        one.root
        for one in unused_imports(light.report.imports, used, whole=False)
        if one.bytes >= _PART_WORTH_A_TRIAL and one.root not in packages
    ]
    return [*packages, *parts]


def _remove_worker_traces(trace: Path) -> None:
    """Removes the traces of the processes of an earlier suite, which this one's trace file replaces."""
    with suppress(TraceFileError, OSError):
        old = read(trace)
        for file in old.files[1:]:
            # With those of its own workers, and the capture that a killed one leaves.
            for path in file.path.parent.glob(f"{escape(file.path.stem)}.*"):
                path.unlink(missing_ok=True)
