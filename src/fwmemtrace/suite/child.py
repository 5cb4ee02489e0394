"""What runs in the fresh interpreter of one component and one purpose: `python -m fwmemtrace.suite.child PLAN`.

A plan is a JSON file. The stages are phases of a session whose trace lies beside the suite's own; the names of those
phases tie the processes of one component together. How it went is told in a second file, which is there even if the
process is killed.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ..analysis.suite.stages import AFTER_GC, AFTER_TRIM, AGAIN, BATCH, FIRST, IMPORT, INIT, REQUEST
from ..config import Settings
from ..paths import OUTSIDE, PhasePath, write
from ..recording.session import Session, start_session
from ..recording.workers import worker_path
from ..tracing.phases import phase
from ..tracing.span import current
from .component import REQUESTS, load_entries, name_of, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .component import ComponentLike

_AGAIN_AT_MOST = 10  # requests after the trim: enough to show which of the memory comes back with work


class Plan(msgspec.Struct, kw_only=True):
    """What one process is to do."""

    spec: str
    positions: list[int]  # which entries of the suite; more than one: all of them together, in this order
    purpose: str
    probes: list[str]
    trace: str  # the suite's own trace file; this process writes its worker's trace
    session_id: str
    told: str  # the file that says how it went
    variant: str = ""
    variant_of: int = -1  # which entry it is of, where all of them run together
    defer: list[str] = []
    address_space: int = 0  # limit in bytes; 0 for none
    trim: bool = False
    wait_for: str = ""  # a file that must be there before anything begins


class Told(msgspec.Struct, kw_only=True):
    """How a process went."""

    stage: str = ""  # the phase that it was in when this was written
    outcome: str = ""  # "" until it ends by itself
    message: str = ""


class Listed(msgspec.Struct, kw_only=True):
    """One entry of the suite, as the listing process tells it."""

    name: str
    inputs: int = 0
    batch: int = 0
    variants: list[str] = []
    problem: str = ""


def main(arguments: list[str]) -> int:
    """Do what the plan says. The exit status is 0 even where the component failed: the told file says it."""
    if arguments[0] == "--list":
        return list_entries(arguments[1], Path(arguments[2]))
    plan = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=Plan)
    while plan.wait_for and not os.path.exists(plan.wait_for):  # until it was put into its control group
        if os.getppid() == 1:
            return 1
        time.sleep(0.001)
    if plan.address_space:
        from .limits import limit_address_space

        limit_address_space(plan.address_space)
    _Run(plan).go()
    return 0


def list_entries(spec: str, answer: Path) -> int:
    """Write what entries a suite has, as JSON: in a process of its own, for reading the suite may import anything.

    An error of the suite file itself goes out as the answer `{"error": message}`.
    """
    try:
        listed = [_listed(entry) for entry in load_entries(spec)]
    except BaseException as error:
        from ..errors import SuiteError

        known = isinstance(error, SuiteError)
        message = str(error) if known else f"found that {spec!r} cannot be imported: {_describe(error)}"
        answer.write_bytes(msgspec.json.encode({"error": message}))
        return 0
    answer.write_bytes(msgspec.json.encode(listed))
    return 0


def _listed(entry: Any) -> Listed:
    try:
        component = resolve(entry)
    except Exception as error:
        return Listed(name=name_of(entry), problem=_describe(error))
    return Listed(
        name=component.name,
        inputs=len(list(component.inputs)),
        batch=getattr(component, "batch", REQUESTS),
        variants=list(getattr(component, "variants", None) or {}),
    )


def _describe(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__qualname__}: {text}" if text else type(error).__qualname__


class _Run:
    """One process's work, stage by stage."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._told = Path(plan.told)
        self._around: PhasePath = OUTSIDE
        self._tell(Told(stage="start"))
        settings = Settings(
            target=str(worker_path(Path(plan.trace), os.getpid())),
            probes=tuple(plan.probes),
            # The other purposes need no timeline, and its thread would be one more thing to disturb them.
            interval=50_000_000 if plan.purpose in ("resident", "together") else 0,
        )
        self._session: Session = start_session(settings, session_id=plan.session_id)
        self._deferral: Any = None

    def go(self) -> None:
        try:
            told = self._all_stages()
        finally:
            if self._deferral is not None:
                self._session.record(self._deferral.told())
            self._session.stop()
        self._tell(told)

    def _all_stages(self) -> Told:
        try:
            if self._plan.defer:
                from .deferred import Deferral

                self._deferral = Deferral(self._plan.defer, _where)
                self._deferral.install()
            if self._plan.purpose == "together":
                self._together()
            else:
                self._alone()
        except MemoryError as error:
            return Told(stage=self._stage, outcome="out of memory", message=_describe(error))
        except SystemExit as error:
            return Told(stage=self._stage, outcome="left", message=f"it called sys.exit({error.code!r})")
        except BaseException as error:
            return Told(stage=self._stage, outcome="raised", message=_describe(error))
        return Told(outcome="ok")

    def _alone(self) -> None:
        with self._enter(IMPORT):
            component = resolve(load_entries(self._plan.spec)[self._plan.positions[0]])
            for name in getattr(component, "imports", ()):
                __import__(name)
        inputs = list(component.inputs)
        init: Callable[[], Any] = component.init
        if self._plan.variant and self._plan.purpose == "variant":
            init = component.variants[self._plan.variant]  # type: ignore[attr-defined]
        if self._plan.purpose == "use":
            self._watch_use(component, inputs)
            return
        with self._enter(INIT):
            made = _settled(init())
        self._serve(component, made, inputs)
        with self._enter(AFTER_GC):
            gc.collect()
        if self._plan.trim:
            self._trim(component, made, inputs)

    def _serve(self, component: ComponentLike, made: Any, inputs: list[Any]) -> None:
        with self._enter(FIRST):
            _settled(component.request(made, inputs[0]))
        with self._enter(BATCH):
            _requests(component, made, inputs, getattr(component, "batch", REQUESTS))

    def _trim(self, component: ComponentLike, made: Any, inputs: list[Any]) -> None:
        from ..system.trim import find_trim

        trim = find_trim()  # before the phase: what loading it costs is not the component's
        if trim is None:
            return
        with self._enter(AFTER_TRIM):
            trim()
        with self._enter(AGAIN):
            _requests(component, made, inputs, min(_AGAIN_AT_MOST, getattr(component, "batch", REQUESTS)))

    def _watch_use(self, component: ComponentLike, inputs: list[Any]) -> None:
        from ..records import SuiteUse
        from .arrays import take_stock
        from .usage import Usage

        requests = min(len(inputs), getattr(component, "batch", REQUESTS))
        with Usage() as usage:
            with self._enter(INIT):
                made = _settled(component.init())
            usage.watch_modules()
            with self._enter(FIRST):
                for item in inputs[:requests]:
                    _settled(component.request(made, item))
        self._session.record(SuiteUse(usage.ran(), usage.read(), requests))
        gc.collect()
        self._session.record(take_stock())

    def _together(self) -> None:
        kept = []
        with self._enter(IMPORT):
            entries = load_entries(self._plan.spec)
        problems = []
        for position in self._plan.positions:
            try:
                component = resolve(entries[position])
                with phase(component.name):
                    self._around = (component.name,)
                    with self._enter(IMPORT):
                        for name in getattr(component, "imports", ()):
                            __import__(name)
                    init: Callable[[], Any] = component.init
                    if position == self._plan.variant_of:
                        init = component.variants[self._plan.variant]  # type: ignore[attr-defined]
                    with self._enter(INIT):
                        kept.append((component, made := _settled(init())))
                    self._serve(component, made, list(component.inputs))
            except MemoryError:
                raise
            except Exception as error:
                problems.append(f"{self._stage}: {_describe(error)}")
        self._around = OUTSIDE
        with self._enter(AFTER_GC):
            gc.collect()
        if problems:
            raise RuntimeError("; ".join(problems))

    def _enter(self, name: str) -> Any:
        self._stage = write((*self._around, name))
        self._tell(Told(stage=self._stage))
        return phase(name)

    def _tell(self, told: Told) -> None:
        self._stage = told.stage
        self._told.write_bytes(msgspec.json.encode(told))


def _requests(component: ComponentLike, made: Any, inputs: list[Any], count: int) -> None:
    # Only RSS at the edges of a single request: anything finer would weigh more than the request does.
    request = phase(REQUEST, probes=("resident",))
    for number in range(count):
        with request:
            _settled(component.request(made, inputs[number % len(inputs)]))


_loop: Any = None


def _settled(answer: Any) -> Any:
    """The answer itself, or what it comes to where it is a coroutine."""
    global _loop
    if not hasattr(answer, "__await__"):
        return answer
    if _loop is None:
        import asyncio

        _loop = asyncio.new_event_loop()

    async def wait() -> Any:
        return await answer

    return _loop.run_until_complete(wait())


def _where() -> str:
    span = current.get()
    return "" if span is None else write(span.path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
