"""`session`: switches probes and a sink on, and joins them. The only module that knows both."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from itertools import count
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import Any

from . import config, phases, plugins, workers
from ._version import __version__
from .config import Settings
from .errors import SessionError, SettingsError, SinkError
from .phases import Phase, Span, current
from .probes.base import Probe, ProbeContext
from .probes.panel import Panel
from .probes.peaks import PeakMeter
from .probes.process_memory import Meter, open_meter
from .records import SCHEMA_VERSION, PhaseBegin, PhaseEnd, Record, SessionBegin, SessionEnd
from .sinks.base import Sink
from .sinks.outlet import Outlet, warn

_get_thread_id = threading.get_ident
_active: Session | None = None

# Outermost first: at the edges of a phase the last one's readings lie closest to it. The census allocates, so it stays
# outside of what tracemalloc sees, and both outside of memray's markers. A reading of the mappings has to be next to the
# phase but leave no allocation in its figures. Imports are watched when every other probe has imported what it needs.
PROBE_ORDER = ("resident", "objects", "mappings", "python_heap", "native", "imports")


class Session:
    """A session that is on. `session` and `start` make it; leave its block or call `stop` to end it.

    Attributes:
        settings: what it goes by.
        id: the same in every process of the session.
    """

    def __init__(self, settings: Settings, sink: Sink, probes: Sequence[Probe], session_id: str | None = None) -> None:
        self.settings = settings
        self.id = session_id or os.urandom(8).hex()
        self._outlet = Outlet(sink)
        self._emit = self._outlet.emit
        self._ids = count(1)
        self._panel = Panel(warn)
        self._stopped = False
        self._open_meter()
        self._announce([probe.name for probe in probes])
        try:
            self._panel.start(probes, self._context())
        except BaseException:
            self._outlet.close()
            self._meter.close()
            raise
        self._lifetime = workers.Lifetime(self._after_fork, self.stop)
        if self._outlet.path is not None:
            workers.announce(self.id, settings, self._outlet.path)
        phases.install(self)

    @property
    def path(self) -> str | None:
        """The trace file that is written, if one is."""
        return self._outlet.path

    # -- what every phase calls --------------------------------------------------------------------------------------

    def begin(self, phase: Phase) -> Span:
        """A phase begins in this thread and context."""
        parent = current.get()
        while parent is not None and (parent.closed or parent.tracer is not self):
            parent = parent.parent
        span = Span()
        span.id = next(self._ids)
        span.parent = parent
        span.phase = phase
        span.tracer = self
        span.thread_id = _get_thread_id()
        span.closed = False
        span.state = None
        if parent is None or self._panel.at_edges:
            self._panel.began(span)
        current.set(span)
        if self._peaks is not None:
            with self._lock:
                if not self._open:
                    self._peaks.forget()
                self._open += 1
                span.mark = self._peaks.edge()
        self._emit(
            PhaseBegin(
                span.id,
                0 if parent is None else parent.id,
                phase.name,
                span.thread_id,
                perf_counter_ns(),
                self._rss(),
                phase.attributes,
            )
        )
        return span

    def end(self, span: Span, error: type[BaseException] | None) -> None:
        """The span's phase ended, in whatever thread or context this is."""
        if span.closed:
            return
        peak = rss = self._rss()
        now = perf_counter_ns()
        span.closed = True
        if self._peaks is not None:
            with self._lock:
                self._peaks.edge()
                self._open -= 1
                peak = max(rss, self._peaks.since(span.mark))
        parent = span.parent
        if current.get() is span:
            current.set(parent)
        if parent is None or self._panel.at_edges:
            self._panel.ended(span)
        self._emit(PhaseEnd(span.id, now, rss, peak, None if error is None else _type_name(error)))

    def record(self, record: Record) -> None:
        """Write a record of one's own into the trace; never raises."""
        self._emit(record)

    def switch(self, span: Span | None) -> None:
        """This thread goes on inside another phase, which began before, or in none."""
        if self._panel.at_edges:
            self._panel.switched(span)

    # -- start, fork, stop -------------------------------------------------------------------------------------------

    def _open_meter(self) -> None:
        self._lock = threading.RLock()  # re-entrant: a finaliser or signal handler may run a phase inside it
        self._open = 0
        self._meter: Meter = open_meter(exact_peak=self.settings.exact_peak)
        self._rss = self._meter.rss
        self._peaks = PeakMeter(self._meter.peak, self._meter.reset_peak) if self.settings.exact_peak else None

    def _context(self) -> ProbeContext:
        return ProbeContext(self._emit, self.settings, self._outlet.path, self._meter)

    def _announce(self, probes: list[str]) -> None:
        """Write the first record, with readings taken before any probe could move them."""
        rss = self._rss()
        self._probe_names = probes
        self._emit(
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
                probes=probes,
                settings={name: str(getattr(self.settings, name)) for name in self.settings.__struct_fields__},
            )
        )

    def _after_fork(self) -> None:
        """This is a forked worker: go on in a trace of its own, inside the phases that were open at the fork."""
        self._meter.close()
        self._outlet.after_fork(os.getpid())
        self._open_meter()
        self._announce(self._probe_names)
        self._panel.after_fork(self._context())
        for span in reversed(_open_spans(current.get(), self)):
            self._open += 1
            span.mark = self._peaks.edge() if self._peaks is not None else 0
            parent = 0 if span.parent is None else span.parent.id
            self._emit(
                PhaseBegin(
                    span.id,
                    parent,
                    span.phase.name,
                    _get_thread_id(),
                    perf_counter_ns(),
                    self._rss(),
                    span.phase.attributes,
                )
            )

    def stop(self) -> None:
        """Switch everything off and complete the trace. A second call does nothing."""
        global _active
        if self._stopped:
            return
        self._stopped = True
        if _active is self:
            _active = None
        phases.install(None)
        rss = peak = self._rss()
        now = perf_counter_ns()
        if self._peaks is not None:
            with self._lock:
                self._peaks.edge()
                peak = self._peaks.largest
        self._panel.stop()
        errors = dict(self._panel.errors)
        self._emit(SessionEnd(now, rss, max(rss, peak, self._meter.peak_before), self._outlet.lost, errors))
        self._outlet.close()
        self._meter.close()
        self._lifetime.over()
        workers.withdraw()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _open_spans(span: Span | None, tracer: Session) -> list[Span]:
    spans = []
    while span is not None:
        if not span.closed and span.tracer is tracer:
            spans.append(span)
        span = span.parent
    return spans


def _type_name(error: type[BaseException]) -> str:
    if error.__module__ in ("builtins", "__main__"):
        return error.__qualname__
    return f"{error.__module__}.{error.__qualname__}"


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
    return _start(config.load(arguments), given)


def _start(settings: Settings, sink: Sink | None = None, session_id: str | None = None) -> Session:
    global _active
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
        _start(told.settings, None, told.session_id)
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
