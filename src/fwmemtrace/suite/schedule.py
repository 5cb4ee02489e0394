"""The order of a suite's processes: what disturbs least first, the heavy probes last."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..analysis.suite.figures import retained
from ..analysis.suite.model_levers import worth_planning
from ..analysis.suite.reading import SuiteProcess, shares_nothing
from ..recording.session import Session
from ..records import SuiteChange
from .candidates import allocator_changes, batch_that_shows, expected_savings, sharing_changes
from .changes import VARIANT
from .fork_trials import try_forks
from .models.trials import ModelTrials
from .passes import LIGHT, Pass, Passes, component_pass, variants_of
from .planner import Planner, Service
from .protocol import SuiteEntry
from .settings import SuiteSettings
from .trials import Trials

_NATIVE = ("resident", "native")
_PYTHON = ("resident", "python_heap", "objects")
_WORTH_IN_SERVICE = 0.005  # of what all components hold: runs of the service differ by more than a smaller saving
_HEAVY_RATIO, _HEAVY_LEAST_S = 20, 60.0  # a heavy pass may take that many times what a light one took


class Schedule:
    """The passes of one suite.

    Args:
        passes: runs the processes.
        recording: the suite's own session.
        spec: the suite, as `FILE.py|MODULE[:NAME]`.
        folder: a folder for temporary files.
        settings: what to run.
        bare: RSS of a bare interpreter, in bytes.
        purposes: the purposes of the processes to run.

    Attributes:
        missing: those of which not all processes have run.
    """

    def __init__(
        self,
        passes: Passes,
        recording: Session,
        spec: str,
        folder: Path,
        settings: SuiteSettings,
        bare: int,
        purposes: Sequence[str],
    ) -> None:
        self.missing = list(purposes)
        self._passes = passes
        self._recording = recording
        self._spec = spec
        self._folder = folder
        self._settings = settings
        self._bare = bare

    def run(self, sound: dict[int, SuiteEntry], combined: Mapping[str, Mapping[str, str]]) -> None:
        """Runs every component for every purpose: what disturbs least first, the heavy probes last."""
        passes, settings = self._passes, self._settings
        repeats = range(1, settings.repeat)
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
            if settings.wants("use")
        ]
        trying = [
            component_pass(
                position, sound[position].name, "variant", variant=change.subject, changes=(change,), answers=True
            )
            for position, entry in measured.items()
            for change in variants_of(entry)
            if settings.wants("variant")
        ]
        done = passes.run([*later, *watching, *trying])
        self._have_run("resident", "use", "variant")
        failed = {(one.run.component, one.run.variant) for one in done if one.run.outcome != "ok"}
        unsteady = {name for name, variant in failed if not variant and any(_is_light(one, name) for one in done)}
        use = {position: one for position in measured for one in done if _is(one, sound[position].name, "use")}
        trials = Trials(passes, self._recording, repeat=settings.repeat, skip=settings.skip, spec=self._spec)
        varied = zip(trying, done[len(done) - len(trying) :], strict=True)
        working = {one: process for one, process in varied if (one.component, one.variant) not in failed}
        done += trials.run(measured, light, use, working)
        self._have_run("trial", "deferred", "arenas")
        expected = expected_savings(light.values(), done, settings.measure)
        models: dict[SuiteChange, int] = {}
        if settings.try_models:
            with_torch = {at: entry.name for at, entry in measured.items() if _imports_torch(light[at])}
            trials_of_models = ModelTrials(
                passes, self._recording, self._folder, timeout=max(heavy.values(), default=0.0)
            )
            models = worth_planning(trials_of_models.run(with_torch), settings.least_agreement)
        self._have_run("model")
        steady = {at: entry for at, entry in measured.items() if entry.name not in unsteady}
        if steady and settings.wants("together"):
            changes = [*trials.worked(use.values()), *models]
            self._service(steady, light, use, combined, failed, changes, {**expected, **models})
        self._have_run("together", "plan")
        if settings.workers:
            names = {at: entry.name for at, entry in measured.items()}
            try_forks(passes, self._recording, self._folder, names, workers=settings.workers, timeouts=heavy)
        self._have_run("forks")
        passes.run(
            [
                component_pass(position, sound[position].name, purpose, probes, timeout=heavy[position])
                for position in measured
                for purpose, probes in (("native", _NATIVE), ("python", _PYTHON))
                if settings.wants(purpose)
            ]
        )
        self._have_run("native", "python")

    def _have_run(self, *purposes: str) -> None:
        self.missing = [purpose for purpose in self.missing if purpose not in purposes]

    def _expected(self, sound: Mapping[int, SuiteEntry]) -> int:
        single = sum(map(self._settings.wants, ("native", "python", "use")))
        variants = sum(len(entry.variants) for entry in sound.values())
        together = self._settings.wants("together") and len(sound) > 1
        expected = len(sound) * (self._settings.repeat + single)
        expected += variants * self._settings.repeat * self._settings.wants("variant")
        return expected + (self._settings.repeat + variants if together else 0)

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
        settings = self._settings
        planned = bool(settings.budget) and settings.wants("plan")
        if len(measured) < 2 and not planned:
            return
        names = {position: entry.name for position, entry in measured.items()}
        spreads = {name: retained([light[at]]) for at, name in names.items()}
        held = {name: spread.median_bytes for name, spread in spreads.items() if spread is not None}
        service = Pass(positions=tuple(measured), component="", purpose="together", probes=LIGHT)
        variants = {
            change: replace(service, component=entry.name, variant=change.subject, changes=(change,))
            for entry in measured.values()
            for change in variants_of(entry)
            if (entry.name, change.subject) not in failed
        }
        least = _WORTH_IN_SERVICE * sum(held.values())
        small = {change for change in variants if abs(expected.get(change, least)) < least}
        sharing = list(sharing_changes(use.values())) if settings.wants("trial") else []
        done = self._passes.run(
            [
                *(replace(service, repetition=repetition) for repetition in range(settings.repeat)),
                *(one for change, one in variants.items() if change not in small),
                *(replace(service, variant="equal arrays shared", changes=(change,)) for change in sharing),
            ]
        )
        self._have_run("together")
        if not planned:
            return
        useful = [one for one in done if one.run.outcome == "ok" and not shares_nothing(one)]
        worked = {change for one in useful for change in one.run.changes}
        changes = [
            *(change for change in variants if change in worked or change in small),
            *(change for change in found if change.component in ("", *names.values())),
            *(allocator_changes(list(light.values())) if settings.wants("arenas") else ()),
            *(change for change in sharing if change in worked),
        ]
        named = {
            name: [SuiteChange(VARIANT, component, variant) for component, variant in parts.items()]
            for name, parts in combined.items()
        }
        planner = Planner(
            self._passes,
            Service(names, changes, named, dict(expected), held),
            limit=settings.budget,
            bare=self._bare,
            measure=settings.measure,
            repeat=settings.repeat,
            seconds=settings.plan_seconds,
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
