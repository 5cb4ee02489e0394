"""Runs a component stage by stage in a session of its own.

The stages are phases, and their names tie the processes of one component together. The trace of the session lies next
to the suite's own.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from ..analysis.suite.stages import AFTER_GC, AFTER_TRIM, AGAIN, BATCH, FIRST, IMPORT, INIT
from ..config import Settings
from ..paths import OUTSIDE, PhasePath, write
from ..recording.session import Session
from ..recording.switch import start_session
from ..recording.workers import worker_path
from ..tracing import active
from ..tracing.phases import phase
from ..tracing.span import current
from .asking import answer, awaited, batch_of, make_requests
from .changes import Changes
from .component import load_entries, resolve
from .listing import describe
from .models.ways import ONNX_WAYS
from .private_memory import WorkerProcesses
from .protocol import ChildStatus, ChildTask, ModelForm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .component import ComponentLike
    from .library_options import LibraryOptions
    from .models.other_forms import ModelSwap

_AGAIN_AT_MOST = 10  # requests after the trim: enough to show how much of the memory they take again
_AGAIN_AT_LEAST = 2
_AGAIN_S = 2.0  # a request that takes seconds is not made ten times for that
_WATCHED_AT_LEAST = 4  # requests of the pass that watches which modules are used
_WATCHED_S = 15.0
_MODELS_AT_LEAST = 4  # requests of the pass that keeps calls of models
_MODELS_S = 5.0
_TIMELINE_NS = 50_000_000
TOGETHER = ("together", "plan")  # purposes of processes with several components
_WITH_TIMELINE = ("resident", "together")  # in other passes its thread would only be one more disturbance
_STAGES_ONLY = ("python",)  # walks over the whole heap at each edge: the report has them by stage


class StageRunner:
    """The work of one process.

    Args:
        task: what it has to do.
    """

    def __init__(self, task: ChildTask) -> None:
        self._task = task
        self._status_file = Path(task.status_file)
        self._outer: PhasePath = OUTSIDE
        self._workers = WorkerProcesses()
        self._enter_stage("start")
        settings = Settings(
            target=str(worker_path(Path(task.trace), os.getpid())),
            probes=tuple(task.probes),
            overwrite=True,
            interval=_TIMELINE_NS if task.purpose in _WITH_TIMELINE else 0,
            holders=0,  # the report of a suite has none, and under tracemalloc the search takes half a minute
        )
        if hasattr(os, "register_at_fork"):
            # Before the session's own: the traces of a component's workers would be of no use, and cost them memory.
            os.register_at_fork(after_in_child=self._leave_session)
        self._session: Session = start_session(settings, session_id=task.session_id)
        self._changes = Changes(task.changes, _current_path)

    def run(self) -> None:
        """Runs all stages, stops the session and writes the outcome."""
        try:
            status = self._outcome()
        finally:
            deferred = self._changes.deferred()
            for record in (deferred, self._changes.shared()):
                if record is not None:
                    self._session.record(record)
            self._session.stop()
        status.unwritten = self._session.trouble or ""
        self._write(status)

    def _outcome(self) -> ChildStatus:
        try:
            problems = self._all_stages()
        except MemoryError as error:
            return ChildStatus(stage=self._stage, outcome="out of memory", message=describe(error))
        except SystemExit as error:
            return ChildStatus(stage=self._stage, outcome="left", message=f"it called sys.exit({error.code!r})")
        except BaseException as error:
            return ChildStatus(stage=self._stage, outcome="raised", message=describe(error))
        if problems:
            return ChildStatus(stage=self._stage, outcome="raised", message="; ".join(problems))
        return ChildStatus(outcome="ok")

    def _all_stages(self) -> list[str]:
        """Runs all stages; returns the errors of components that run together with others."""
        self._changes.install()
        if self._task.purpose in TOGETHER:
            return self._together()
        self._alone()
        return []

    def _alone(self) -> None:
        options = _watched_options() if self._task.purpose == "use" else None
        with self._stage_phase(IMPORT):
            component = resolve(load_entries(self._task.spec)[self._task.positions[0]])
            _import_all(component)
        inputs = list(component.inputs)
        if options is not None:
            self._watch_use(component, inputs, options)
            return
        init = self._init_of(component)
        with self._stage_phase(INIT):
            instance = awaited(init())
            self._changes.component_made(component.name, instance)
        if self._task.folder:
            self._write_models(component, instance, inputs)
            return
        self._serve(self._task.positions[0], component, instance, inputs)
        with self._stage_phase(AFTER_GC):
            gc.collect()
        self._workers.assign(component.name)
        self._measure_workers()
        if self._task.trim:
            self._trim(component, instance, inputs)
        if self._task.answers:
            self._keep_answers(component, instance, inputs)

    def _together(self) -> list[str]:
        instances = []  # all of them stay alive to the end, as in the service
        with self._stage_phase(IMPORT):
            entries = load_entries(self._task.spec)
        problems = []
        for position in self._task.positions:
            try:
                form = next((one for one in self._task.models if one.position == position), None)
                component = self._stand_in(form) or resolve(entries[position])
                with phase(component.name):
                    self._outer = (component.name,)
                    with self._stage_phase(IMPORT):
                        _import_all(component)
                    init = self._init_of(component)
                    with self._stage_phase(INIT):
                        swap = self._swap_of(form)
                        instances.append(awaited(init()))  # and no variable, which would keep an equal array alive
                        if swap is not None:
                            swap.make(self._task.spec)
                        self._changes.component_made(component.name, instances[-1])
                    self._changes.share_equal()
                    self._serve(position, component, instances[-1], list(component.inputs))
                self._workers.assign(component.name)
            except MemoryError:
                raise
            except Exception as error:
                problems.append(f"{self._stage}: {describe(error)}")
        self._outer = OUTSIDE
        with self._stage_phase(AFTER_GC):
            gc.collect()
        self._measure_workers()
        return problems

    def _leave_session(self) -> None:
        self._session.leave_to_parent()

    def _measure_workers(self) -> None:
        for workers in self._workers.measured():
            self._session.record(workers)

    @staticmethod
    def _stand_in(form: ModelForm | None) -> ComponentLike | None:
        """Returns what answers in place of a component whose model runs without the component's own libraries."""
        if form is None:
            return None
        from .models.other_forms import stand_in

        return stand_in(form)

    @staticmethod
    def _swap_of(form: ModelForm | None) -> ModelSwap | None:
        if form is None or form.way in ONNX_WAYS:
            return None
        from .models.other_forms import ModelSwap

        return ModelSwap(form)

    def _init_of(self, component: ComponentLike) -> Callable[[], Any]:
        variant = self._changes.variant_of(component.name)
        if variant:
            return component.variants[variant]  # type: ignore[attr-defined, no-any-return]
        return component.init

    def _serve(self, position: int, component: ComponentLike, instance: Any, inputs: list[Any]) -> None:
        with self._stage_phase(FIRST):
            awaited(component.request(instance, inputs[0]))
        with self._stage_phase(BATCH):
            count = self._task.batches.get(position) or batch_of(component)
            make_requests(component, instance, inputs, count, after=self._changes.after_request)
            self._changes.requests_answered()

    def _trim(self, component: ComponentLike, instance: Any, inputs: list[Any]) -> None:
        from ..system.trim import find_trim

        trim = find_trim()  # outside the phase, which would count what loading it costs
        if trim is None:
            return
        with self._stage_phase(AFTER_TRIM):
            trim()
        with self._stage_phase(AGAIN):
            most = min(_AGAIN_AT_MOST, batch_of(component))
            make_requests(component, instance, inputs, most, least=_AGAIN_AT_LEAST, seconds=_AGAIN_S)

    def _write_models(self, component: ComponentLike, instance: Any, inputs: list[Any]) -> None:
        from .models.capture import capture_models, write_found

        def ask() -> None:
            answer(component, instance, inputs, _MODELS_AT_LEAST, _MODELS_S)

        folder = Path(self._task.folder)
        with self._stage_phase(FIRST):
            write_found(capture_models(ask, folder), folder)

    def _keep_answers(self, component: ComponentLike, instance: Any, inputs: list[Any]) -> None:
        """Records some answers, after all figures were taken."""
        from .answers import take_answers

        with suppress(Exception):  # the component has done its work: that it cannot do it again is no failure of it
            self._session.record(take_answers(lambda item: awaited(component.request(instance, item)), inputs))

    def _watch_use(self, component: ComponentLike, inputs: list[Any], options: LibraryOptions) -> None:
        from ..records import SuiteUse
        from .arrays import take_stock
        from .growing_dicts import GROWING, DictWatch
        from .usage import Usage

        with Usage() as usage:
            with self._stage_phase(INIT):
                instance = awaited(component.init())
            usage.watch_modules()
            dicts = DictWatch(instance)
            with self._stage_phase(FIRST):
                first, *others = inputs[: batch_of(component)]
                answer(component, instance, [first], 1, 0.0)
                dicts.first_answered()
                watched = 1 + answer(component, instance, others, _WATCHED_AT_LEAST - 1, _WATCHED_S)
        noted = options.noted()
        if growing := dicts.noted():
            noted[GROWING] = growing
        self._session.record(SuiteUse(usage.ran(), usage.read(), watched, noted))
        if growing:
            self._keep_answers(component, instance, inputs)
        gc.collect()
        self._session.record(take_stock())

    def _stage_phase(self, name: str) -> Any:
        self._enter_stage(write((*self._outer, name)))
        if self._task.purpose not in _STAGES_ONLY:
            return phase(name)
        return _without_inner(phase(name, probes=("resident",) if name == AFTER_GC else None))  # nothing is made there

    def _enter_stage(self, stage: str) -> None:
        self._stage = stage
        self._write(ChildStatus(stage=stage))

    def _write(self, status: ChildStatus) -> None:
        self._status_file.write_bytes(msgspec.json.encode(status))


@contextmanager
def _without_inner(stage: Any) -> Iterator[None]:
    """Runs a stage without recording the phases in it."""
    with stage:
        tracer = active.install(None)
        try:
            yield
        finally:
            active.install(tracer)


def _import_all(component: ComponentLike) -> None:
    for name in getattr(component, "imports", ()):
        __import__(name)


def _watched_options() -> LibraryOptions:
    from .library_options import OPTIONS, LibraryOptions

    options = LibraryOptions(OPTIONS, watch=True)
    options.install()
    return options


def _current_path() -> str:
    span = current.get()
    return "" if span is None else write(span.path)
