"""Runs a suite: every component in fresh processes, each for one purpose, into one trace."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from glob import escape
from pathlib import Path

import msgspec

from ..analysis.suite.model_levers import worth_planning
from ..analysis.suite.reading import SuiteProcess
from ..errors import SuiteError, TraceFileError, unknown_name
from ..recording.session import Session
from ..recording.switch import session
from ..records import SuiteBegin, SuiteChange, SuiteMember
from ..trace import read
from .candidates import allocator_changes, batch_that_shows, expected_savings, sharing_changes
from .changes import VARIANT
from .fork_trials import try_forks
from .fresh_process import bare_rss, list_components
from .limits import find_cgroup
from .models.trials import ModelTrials
from .passes import LIGHT, Pass, Passes, Progress, component_pass, variants_of
from .planner import Planner, Service
from .protocol import SuiteEntry
from .trials import Trials
from .work_folder import work_folder

_NATIVE = ("resident", "native")
_PYTHON = ("resident", "python_heap", "objects")
_HEAVY_RATIO, _HEAVY_LEAST_S = 20, 60.0  # a heavy pass may take that many times what a light one took


class SuiteRunner:
    """One run of a suite.

    Args:
        spec: the suite, as `FILE.py|MODULE[:NAME]`.
        trace: the trace file to write; the traces of its processes lie next to it.
        repeat: runs used to compute a spread.
        timeout: seconds that one process may take; None for no limit.
        memory_limit: bytes that one process may use; 0 for no limit.
        budget: bytes that the service may use; 0 for no budget.
        measure: what the budget is about: "rss" or "unevictable".
        skip: purposes of processes to leave out.
        only: names of the components to run; all if empty.
        plan_seconds: time for the runs that look for the plan.
        least_agreement: cosine similarity of outputs that another way to run a model needs.
        workers: workers that the service forks; 0 for none.
        try_models: whether to try the torch models of the components by themselves.
        progress: shows how far the suite is.

    Attributes:
        started: whether the trace file is that of this run.
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
        measure: str = "rss",
        skip: Collection[str] = (),
        only: Collection[str] = (),
        plan_seconds: float = 180.0,
        least_agreement: float = 0.99,
        workers: int = 0,
        try_models: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self.started = False
        self._spec = spec
        self._trace = trace
        self._repeat = repeat
        self._timeout = timeout
        self._limit = memory_limit
        self._budget = budget
        self._measure = measure
        self._skip = frozenset(skip)
        self._only = only
        self._plan_seconds = plan_seconds
        self._try_models = try_models
        self._workers = workers
        self._least_agreement = least_agreement
        self._folder: Path
        self._progress = progress or (lambda done, expected, name, left_ns: None)
        self._passes: Passes
        self._recording: Session

    def run(self) -> None:
        """Runs all processes.

        Raises:
            SuiteError: if the suite cannot be read.
            SinkError: if the trace cannot be written.
        """
        with work_folder() as folder:
            self._progress(0, 0, f"reading {self._spec}", 0)
            listing = list_components(self._spec, Path(folder), self._timeout)
            chosen = self._chosen(listing.entries)
            _remove_worker_traces(self._trace)
            cgroup = find_cgroup() if self._limit else None
            limited_by = "" if not self._limit else "RLIMIT_AS" if cgroup is None else cgroup.how
            with session(str(self._trace), probes=["resident"], interval=0, overwrite=True) as recording:
                self.started = True
                timeout_ns = round((self._timeout or 0) * 1e9)
                self._bare = bare_rss()
                begin = SuiteBegin(
                    self._spec, self._repeat, timeout_ns, self._limit, limited_by, self._budget, self._bare
                )
                recording.record(
                    msgspec.structs.replace(begin, measure=self._measure, least_agreement=self._least_agreement)
                )
                for position, entry in chosen.items():
                    recording.record(
                        SuiteMember(entry.name, position, entry.inputs, entry.batch, entry.variants, entry.problem)
                    )
                self._recording, self._folder = recording, Path(folder)
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
                sound = {position: entry for position, entry in chosen.items() if not entry.problem}
                self._run_all(sound, listing.service_variants)

    def _chosen(self, entries: Sequence[SuiteEntry]) -> dict[int, SuiteEntry]:
        """Returns the components to run by their position.

        Raises:
            SuiteError: if one that was asked for does not exist.
        """
        names = [entry.name for entry in entries]
        for name in self._only:
            if name not in names:
                raise SuiteError(unknown_name("component", name, names))
        return {at: entry for at, entry in enumerate(entries) if not self._only or entry.name in self._only}

    def _run_all(self, sound: dict[int, SuiteEntry], combined: Mapping[str, Mapping[str, str]]) -> None:
        """Runs every component for every purpose: what disturbs least first, the heavy probes last."""
        passes, repeats = self._passes, range(1, self._repeat)
        passes.expected = self._expected(sound)
        firsts = passes.run(
            [
                component_pass(
                    position, sound[position].name, "resident", trim=True, answers=bool(sound[position].variants)
                )
                for position in sound
            ]
        )
        light = {at: one for at, one in zip(sound, firsts, strict=True) if one.run.outcome == "ok"}
        measured = {position: sound[position] for position in light}
        passes.expected = max(passes.expected - len(firsts) + len(light), 0)
        passes.batches = {at: batch for at, one in light.items() if (batch := batch_that_shows(sound[at], one))}
        later = [
            component_pass(position, sound[position].name, "resident", repetition=repetition, trim=True)
            for position in measured
            for repetition in repeats
        ]
        heavy = {at: self._heavy_timeout(one) for at, one in light.items()}
        watching = [
            component_pass(position, sound[position].name, "use", ("resident",), timeout=heavy[position])
            for position in measured
            if self._wanted("use")
        ]
        trying = [
            component_pass(
                position, sound[position].name, "variant", variant=change.subject, changes=(change,), answers=True
            )
            for position, entry in measured.items()
            for change in variants_of(entry)
            if self._wanted("variant")
        ]
        done = passes.run([*later, *watching, *trying])
        failed = {(one.run.component, one.run.variant) for one in done if one.run.outcome != "ok"}
        unsteady = {name for name, variant in failed if not variant and any(_is_light(one, name) for one in done)}
        use = {position: one for position in measured for one in done if _is(one, sound[position].name, "use")}
        trials = Trials(passes, self._recording, repeat=self._repeat, skip=self._skip, spec=self._spec)
        varied = zip(trying, done[len(done) - len(trying) :], strict=True)
        working = {one: process for one, process in varied if (one.component, one.variant) not in failed}
        done += trials.run(measured, light, use, working)
        expected = expected_savings(light.values(), done, self._measure)
        models: dict[SuiteChange, int] = {}
        if self._try_models:
            with_torch = {at: entry.name for at, entry in measured.items() if _imports_torch(light[at])}
            trials_of_models = ModelTrials(
                passes, self._recording, self._folder, timeout=max(heavy.values(), default=0.0)
            )
            models = worth_planning(trials_of_models.run(with_torch), self._least_agreement)
        steady = {at: entry for at, entry in measured.items() if entry.name not in unsteady}
        if steady and self._wanted("together"):
            changes = [*trials.worked(use.values()), *models]
            self._service(steady, light, use, combined, failed, changes, {**expected, **models})
        if self._workers:
            names = {at: entry.name for at, entry in measured.items()}
            try_forks(passes, self._recording, self._folder, names, workers=self._workers, timeouts=heavy)
        passes.run(
            [
                component_pass(position, sound[position].name, purpose, probes, timeout=heavy[position])
                for position in measured
                for purpose, probes in (("native", _NATIVE), ("python", _PYTHON))
                if self._wanted(purpose)
            ]
        )

    def _expected(self, sound: Mapping[int, SuiteEntry]) -> int:
        single = sum(map(self._wanted, ("native", "python", "use")))
        variants = sum(len(entry.variants) for entry in sound.values())
        together = self._wanted("together") and len(sound) > 1
        expected = len(sound) * (self._repeat + single)
        expected += variants * self._repeat * self._wanted("variant")
        return expected + (self._repeat + variants if together else 0)

    def _wanted(self, purpose: str) -> bool:
        return purpose not in self._skip

    def _heavy_timeout(self, light: SuiteProcess) -> float:
        return max(_HEAVY_LEAST_S, _HEAVY_RATIO * light.run.wall_ns / 1e9)

    def _service(
        self,
        measured: Mapping[int, SuiteEntry],
        light: Mapping[int, SuiteProcess],
        use: Mapping[int, SuiteProcess],
        combined: Mapping[str, Mapping[str, str]],
        failed: Collection[tuple[str, str]],
        found: Sequence[SuiteChange],
        expected: Mapping[SuiteChange, int],
    ) -> None:
        """Runs all components in one process, as the service does, with each variant, and with what else can change."""
        planned = bool(self._budget) and self._wanted("plan")
        if len(measured) < 2 and not planned:
            return
        names = {position: entry.name for position, entry in measured.items()}
        service = Pass(positions=tuple(measured), component="", purpose="together", probes=LIGHT)
        variants = {
            change: replace(service, component=entry.name, variant=change.subject, changes=(change,))
            for entry in measured.values()
            for change in variants_of(entry)
            if (entry.name, change.subject) not in failed
        }
        done = self._passes.run(
            [*(replace(service, repetition=repetition) for repetition in range(self._repeat)), *variants.values()]
        )
        if not planned:
            return
        worked = {change for one in done if one.run.outcome == "ok" for change in one.run.changes}
        changes = [
            *(change for change in variants if change in worked),
            *(change for change in found if change.component in ("", *names.values())),
            *(allocator_changes(list(light.values())) if self._wanted("arenas") else ()),
            *(sharing_changes(use.values()) if self._wanted("trial") else ()),
        ]
        named = {
            name: [SuiteChange(VARIANT, component, variant) for component, variant in parts.items()]
            for name, parts in combined.items()
        }
        planner = Planner(
            self._passes,
            Service(names, changes, named, dict(expected)),
            limit=self._budget,
            bare=self._bare,
            measure=self._measure,
            repeat=self._repeat,
            seconds=self._plan_seconds,
        )
        for one in done:
            planner.take(one)
        planner.run()


def _imports_torch(light: SuiteProcess) -> bool:
    imports = light.report.imports if light.report is not None else None
    return any(row.module == "torch" for row in imports or ())


def _is(process: SuiteProcess, name: str, purpose: str) -> bool:
    return process.run.component == name and process.run.purpose == purpose


def _is_light(process: SuiteProcess, name: str) -> bool:
    return _is(process, name, "resident") and process.run.outcome != "ok"


def _remove_worker_traces(trace: Path) -> None:
    """Removes the traces of the processes of an earlier suite, which this one's trace file replaces."""
    with suppress(TraceFileError, OSError):
        old = read(trace)
        for file in old.files[1:]:
            # With those of its own workers, and the capture that a killed one leaves.
            for path in file.path.parent.glob(f"{escape(file.path.stem)}.*"):
                path.unlink(missing_ok=True)
