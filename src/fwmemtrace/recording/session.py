"""`session`: switches probes and a sink on, and joins them. The only module that knows both."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import Any

from .. import config, plugins
from .._version import __version__
from ..config import Settings
from ..errors import SessionError, SettingsError, SinkError
from ..probes.base import Probe, ProbeContext
from ..records import SCHEMA_VERSION, Note, Record, SessionBegin, SessionEnd
from ..sinks.base import Sink
from ..system.meter import open_meter
from ..tracing import phases
from . import workers
from .phase_recorder import PhaseRecorder
from .probe_set import ProbeSet
from .sink_guard import SinkGuard, warn

_active: Session | None = None

# Outermost first: at the edges of a phase the last one's readings lie closest to it. The census allocates, so it stays
# outside of what tracemalloc sees, and both outside of memray's markers. A reading of the mappings has to be close to
# the phase, but none of its own allocations in their figures. Imports are watched once every other probe has its own.
PROBE_ORDER = ("resident", "collector", "tensors", "objects", "mappings", "python_heap", "native", "imports")


class Session:
    """A session that is on. `session` and `start` make it; leave its block or call `stop` to end it.

    Attributes:
        settings: what it goes by.
        id: the same in every process of the session.
        inherited: whether it was started in a worker because the parent process has one.
    """

    def __init__(self, settings: Settings, sink: Sink, probes: Sequence[Probe], session_id: str | None = None) -> None:
        self.settings = settings
        self.id = session_id or os.urandom(8).hex()
        self.inherited = False
        self._sink = SinkGuard(sink)
        self._probes = ProbeSet(warn)
        self._stopped = False
        self._meter = open_meter(exact_peak=settings.exact_peak)
        self._probe_names = [probe.name for probe in probes]
        self._announce()
        try:
            self._probes.start(probes, self._context())
        except BaseException:
            self._sink.close()
            self._meter.close()
            raise
        self._lifetime = workers.Lifetime(self._after_fork, self.stop)
        if self._sink.path is not None and session_id is None:
            workers.announce(self.id, settings, self._sink.path)
        self._recorder = PhaseRecorder(
            self._sink.emit, self._probes, self._meter, exact_peak=settings.exact_peak, failed=self._edges_failed
        )
        self._tracer_before = phases.install(self._recorder)  # markers without a session, if FWMEMTRACE_MARKERS is set

    @property
    def path(self) -> str | None:
        """The trace file that is written, if one is."""
        return self._sink.path

    @property
    def lost_records(self) -> int:
        """How many records reached no sink."""
        return self._sink.lost

    def record(self, record: Record) -> None:
        """Write a record of one's own into the trace; never raises."""
        self._sink.emit(record)

    def _context(self) -> ProbeContext:
        path = self._sink.path

        def delivered() -> bool:
            return self._sink.failure is None and self._sink.path == path

        return ProbeContext(self._sink.emit, self.settings, path, self._meter, delivered)

    def _announce(self) -> None:
        """Write the first record, with readings taken before any probe could move them."""
        rss = self._meter.rss()
        self._sink.emit(
            SessionBegin(
                schema=SCHEMA_VERSION,
                session_id=self.id,
                pid=os.getpid(),
                parent_pid=os.getppid(),
                version=__version__,
                python=sys.version.partition(" ")[0],
                platform=sys.platform,
                command=sys.orig_argv,
                started_unix_ns=time_ns(),
                time_ns=perf_counter_ns(),
                rss_bytes=rss,
                peak_rss_bytes=max(rss, self._meter.peak_before),
                peak_source=self._meter.peak_source,
                probes=self._probe_names,
                settings={name: str(getattr(self.settings, name)) for name in self.settings.__struct_fields__},
            )
        )

    def _after_fork(self) -> None:
        """This is a forked worker: go on in a trace of its own, inside the phases that were open at the fork."""
        self._meter.close()
        self._meter = open_meter(exact_peak=self.settings.exact_peak)
        self._sink.after_fork(os.getpid())
        self._announce()
        self._probes.after_fork(self._context())
        self._recorder.after_fork(self._meter)

    def _edges_failed(self, error: Exception) -> None:
        message = f"phases are no longer recorded: reading this process's memory raised {error!r}"
        self._sink.emit(Note(perf_counter_ns(), "session", message))
        warn(message)

    def stop(self) -> None:
        """Switch everything off and complete the trace. A second call does nothing."""
        global _active
        if self._stopped:
            return
        self._stopped = True
        if _active is self:
            _active = None
        phases.install(self._tracer_before)
        now, rss, peak = self._recorder.finish()
        self._probes.stop()
        errors = dict(self._probes.errors)
        self._sink.emit(SessionEnd(now, rss, max(peak, self._meter.peak_before), self._sink.lost, errors))
        self._sink.close()
        self._meter.close()
        self._lifetime.over()
        workers.withdraw(self.id, self._sink.path)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def session(
    target: str | os.PathLike[str] | Sink | None = None,
    *,
    probes: str | Sequence[str] | None = None,
    sink: str | Sink | None = None,
    interval: str | float | None = None,
    required: str | Sequence[str] | None = None,
    **settings: Any,
) -> Session:
    """Switch tracing on for this process until the block ends, as in `with fwmemtrace.session("trace.bin"):`.

    Args:
        target: path of the trace file, or a sink; `trace.bin` if nothing else is said anywhere.
        probes: names of the probes to switch on besides `resident`, or "all" for those that work here.
        sink: a sink, or the name that one is registered under; it is made with `target` if that is given.
        interval: seconds between two points of the timeline, or text such as "50ms"; 0 for no timeline.
        required: names of probes that must work here.
        settings: any other field of `fwmemtrace.config.Settings`.

    Returns:
        The session, already on.

    Raises:
        SessionError: if one is on in this process already.
        SettingsError: if a setting is unknown or its value is of no use; the message names where it came from.
        SinkError: if the trace file cannot be created.
        ProbeUnavailable: if a probe named in `required` cannot work here.
    """
    given: Sink | None = None
    if target is not None and not isinstance(target, (str, os.PathLike)):
        given, target = target, None
    if sink is not None and not isinstance(sink, str):
        given, sink = sink, None
    arguments = {
        "target": target,
        "probes": probes,
        "sink": sink,
        "interval": interval,
        "required": required,
        **settings,
    }
    made = config.load(arguments)
    told = workers.inherited() if _active is None or _active.inherited else None
    if told is None or given is not None or not workers.same_target(told, made):
        return _start(made, given)
    return _start(workers.as_worker(told, made), None, told.session_id)


def _start(settings: Settings, sink: Sink | None = None, session_id: str | None = None) -> Session:
    global _active
    if _active is not None and _active.inherited:
        _active.stop()  # it was started unasked in a worker: the program's own session goes before it
    if _active is not None:
        raise SessionError(
            f"found a session that is on already (pid {os.getpid()}), expected one a process: stop the first one, "
            "or use phase() inside it"
        )
    probes = _make_probes(settings)
    _active = Session(settings, sink if sink is not None else _make_sink(settings), probes, session_id)
    return _active


def start(target: str | os.PathLike[str] | Sink | None = None, **settings: Any) -> Session:
    """Switch tracing on until `stop()` or the end of the process. Arguments and errors are those of `session`."""
    return session(target, **settings)


def stop() -> None:
    """Stop the session that is on.

    Raises:
        SessionError: if none is.
    """
    if _active is None:
        raise SessionError("found no session that is on, expected one: call fwmemtrace.start() first")
    _active.stop()


def start_from_environment() -> None:
    """What importing fwmemtrace does where FWMEMTRACE is set, or in a spawned worker of a traced process."""
    told = workers.inherited()
    if told is not None:
        _start(workers.as_worker(told, told.settings), None, told.session_id).inherited = True
    else:
        session()


def _make_probes(settings: Settings) -> list[Probe]:
    named = dict.fromkeys(["resident", *settings.probes, *settings.required])
    everything = "all" in named
    named.pop("all", None)
    names = dict.fromkeys([*named, *(plugins.names("fwmemtrace.probes") if everything else [])])
    rank = {name: number for number, name in enumerate(PROBE_ORDER)}
    probes: list[Probe] = []
    # Other packages' probes come right behind `resident`: outside of everything that measures finely.
    for name in sorted(names, key=lambda name: rank.get(name, 0.5)):
        try:
            probes.append(plugins.load("fwmemtrace.probes", name)())
        except Exception as error:
            if name in named:
                raise
            warn(f"the probe {name!r} cannot be loaded and is left out: {error!r}")
    return probes


def _make_sink(settings: Settings) -> Sink:
    factory = plugins.load("fwmemtrace.sinks", settings.sink)
    try:
        sink: Sink = factory(settings.target) if settings.target is not None else factory()
    except (SinkError, SettingsError):
        raise
    except Exception as error:
        raise SinkError(f"found that the sink {settings.sink!r} could not be made: {error!r}") from error
    return sink
