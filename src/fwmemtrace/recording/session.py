"""`session`: switches probes and a sink on, and joins them."""

from __future__ import annotations

import copyreg
import os
import sys
from collections.abc import Sequence
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import TYPE_CHECKING

from .. import config
from .._version import __version__
from ..config import Settings
from ..errors import SessionError, SinkError, warn
from ..foreign_errors import is_the_programs
from ..probes.attribution import Attribution
from ..probes.base import Probe, ProbeContext
from ..probes.governor import Governor
from ..records import SCHEMA_VERSION, Note, Record, SessionBegin, SessionEnd
from ..redaction import Redactor
from ..sinks.base import Sink
from ..sinks.callback import CallbackSink
from ..system import interpreters
from ..system.family import family
from ..system.meter import open_meter
from ..tracing import current_tracer, phases
from . import workers
from .description import described_command, described_settings
from .from_settings import make_probes, make_sink
from .probe_set import ProbeSet
from .recorders import make_phase_recorder
from .sink_guard import SinkGuard

if TYPE_CHECKING:
    from typing import Unpack

    from .arguments import SessionArguments, SettingsArguments
    from .control import ControlFile, SnapshotSignal

_active: Session | None = None
_control: ControlFile | None = None
_told: set[str] = set()  # paths of files that were there already, each told of once


class Session:
    """A session that is on. `session` and `start` make it; it ends with its block, by `stop`, or with the process.

    Attributes:
        id: the session's id, the same in all of its processes.
        inherited: whether it was started in a worker because the parent process has a session.
    """

    def __init__(
        self,
        settings: Settings,
        sink: Sink,
        probes: Sequence[Probe],
        session_id: str | None = None,
        of_family: str = "",
    ) -> None:
        self.id = session_id or getattr(sink, "session_id", None) or os.urandom(8).hex()
        self._family = of_family
        self._first_path: str | None = None
        self.inherited = False
        self._settings = settings
        self._redactor = Redactor(settings.redact)
        self._stopped = False
        self._sink = SinkGuard(sink)
        self._meter = open_meter(exact_peak=settings.exact_peak)
        production = settings.mode == "production"
        self._governor = Governor(settings.max_overhead / 2 if production else None)
        self._attribution = Attribution()
        self._probes = ProbeSet(warn)
        self._probe_names = [probe.name for probe in probes]
        self._record_begin()
        try:
            self._probes.start(probes, self._context())
        except BaseException:
            self._sink.close()
            self._meter.close()
            raise
        self._tell_other_name(sink)
        self._signal: SnapshotSignal | None = None
        if settings.snapshot_signal:
            from .control import SnapshotSignal

            self._signal = SnapshotSignal(settings.snapshot_signal, self.snapshot)
        self._lifetime = workers.Lifetime(self._after_fork, self.stop)
        if self._sink.path is not None and session_id is None:
            self._first_path = getattr(sink, "first_path", self._sink.path)
            workers.announce(self.id, settings, self._first_path, getattr(sink, "asked", ""))
        self._recorder = make_phase_recorder(
            self._sink.emit,
            self._probes,
            self._meter,
            exact_peak=settings.exact_peak,
            redact=self._redactor.attributes,
            on_failure=self._recorder_failed,
            max_overhead=settings.max_overhead / 2 if production else None,
        )
        copyreg.pickle(type(self._recorder), current_tracer.reduce)
        self._previous_tracer = phases.install(self._recorder)  # there is one if FWMEMTRACE_MARKERS is set

    @property
    def path(self) -> str | None:
        """The absolute path of the trace file; None if the sink writes none."""
        return self._sink.path

    @property
    def lost_records(self) -> int:
        """The number of records that did not reach the sink."""
        return self._sink.lost

    def record(self, record: Record) -> None:
        """Write a record of the caller's own into the trace; never raises."""
        self._sink.emit(record)

    def snapshot(self, reason: str = "asked for") -> None:
        """Write into the trace where all threads are and what the Python heap consists of; never raises.

        Args:
            reason: why, for the report.
        """
        if not self._stopped:
            self._probes.snapshot(reason)

    def stop(self) -> None:
        """Switch everything off and complete the trace. A second call does nothing."""
        global _active
        if self._stopped:
            return
        self._stopped = True
        if _active is self:
            _active = None
        phases.install(self._previous_tracer)
        if self._signal is not None:
            self._signal.close()
        # Each step runs whatever becomes of the others: the program goes on, and nothing of ours may stay behind.
        interrupted: BaseException | None = None
        for step in (self._stop_measuring, self._sink.close, self._meter.close, self._lifetime.over, self._withdraw):
            try:
                step()
            except BaseException as error:
                if is_the_programs(error):
                    interrupted = error
                else:
                    warn(f"stopping the session raised {error!r}")
        if interrupted is not None:
            raise interrupted

    def _stop_measuring(self) -> None:
        now, rss, peak = self._recorder.finish()
        self._probes.stop()
        errors = dict(self._probes.errors)
        self._sink.emit(SessionEnd(now, rss, max(peak, self._meter.peak_before), self._sink.lost, errors))

    def _withdraw(self) -> None:
        workers.withdraw(self.id, self._first_path)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _record_begin(self) -> None:
        """Write the first record, with readings from before any probe could move them."""
        settings = self._settings
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
                command=described_command(settings, self._redactor),
                started_unix_ns=time_ns(),
                time_ns=perf_counter_ns(),
                rss_bytes=rss,
                peak_rss_bytes=max(rss, self._meter.peak_before),
                peak_source=self._meter.peak_source,
                probes=self._probe_names,
                settings=described_settings(settings, self._redactor),
                service=settings.service,
                instance=settings.instance,
                labels=self._redactor.labels(settings.labels),
                host=os.uname().nodename if hasattr(os, "uname") else "",
                family=self._family,
            )
        )

    def _tell_other_name(self, sink: Sink) -> None:
        """Say so if the trace file has another name than the one that was asked for."""
        asked, first = getattr(sink, "asked", None), getattr(sink, "first_path", None)
        if asked is None or asked == first:
            return
        message = f"{asked} exists already and is kept: this trace is {first}; overwrite=True would replace it"
        self._sink.emit(Note(perf_counter_ns(), "session", message))
        if asked not in _told:
            _told.add(asked)
            warn(message)

    def _context(self) -> ProbeContext:
        path = self._sink.path

        def delivered() -> bool:
            return self._sink.failure is None and self._sink.path == path

        return ProbeContext(
            self._sink.emit,
            self._settings,
            path,
            self._meter,
            self._governor,
            self._attribution,
            delivered,
            self._redactor.text,
        )

    def _after_fork(self) -> None:
        """This is a forked worker: go on in a trace of its own, inside the phases that were open at the fork."""
        try:
            if workers.is_about_to_exec():
                self._leave_to_parent()
            else:
                self._go_on_in_worker()
        except Exception as error:
            warn(f"this worker is not traced: {error!r}")

    def _leave_to_parent(self) -> None:
        global _active
        self._stopped = True
        if _active is self:
            _active = None
        phases.install(None)
        self._recorder.finish()
        self._sink.forget()
        self._meter.close()
        self._lifetime.over()

    def _go_on_in_worker(self) -> None:
        self._meter.close()
        self._meter = open_meter(exact_peak=self._settings.exact_peak)
        self._governor.after_fork()
        self._sink.after_fork(os.getpid())
        self._record_begin()
        self._probes.after_fork(self._context())
        self._recorder.after_fork(self._meter)

    def _recorder_failed(self, error: BaseException) -> None:
        message = f"phases are no longer recorded: reading the memory of this process raised {error!r}"
        self._sink.emit(Note(perf_counter_ns(), "session", message))
        warn(message)


def session(
    target: str | os.PathLike[str] | Sink | None = None,
    *,
    probes: str | Sequence[str | Probe] | None = None,
    sink: str | Sink | None = None,
    interval: str | float | None = None,
    required: str | Sequence[str] | None = None,
    **settings: Unpack[SettingsArguments],
) -> Session:
    """Switch tracing on for this process until the block ends, as in `with fwmemtrace.session("trace.bin"):`.

    Arguments that are None count as not given: the environment, pyproject.toml and the defaults decide.

    Args:
        target: the path of the trace file, or a sink; by default `trace.bin`.
        probes: names of the probes to switch on besides `resident`, or "all" for every probe that works here but
            `python_heap`, which cannot run with `native`; a probe of the caller's own may be passed itself.
        sink: a sink, or the name of a registered one, which is made with `target` as its argument.
        interval: seconds between two points of the timeline, or text such as "50ms"; 0 for no timeline.
        required: names of probes that must work here.
        settings: any other field of `fwmemtrace.config.Settings`.

    Returns:
        The session, which is on already.

    Raises:
        SessionError: if a session is on in this process already.
        SettingsError: if a setting is unknown or has a bad value; the message says where it was set.
        SinkError: if the trace file cannot be created.
        ProbeUnavailable: if a probe named in `required` cannot work here.
    """
    own_sink: Sink | None = None
    if target is not None and not isinstance(target, (str, os.PathLike)):
        own_sink, target = target, None
    if sink is not None and not isinstance(sink, str):
        own_sink, sink = sink, None
    own_probes: list[Probe] = []
    if probes is not None and not isinstance(probes, str):
        own_probes = [probe for probe in probes if isinstance(probe, Probe)]
        probes = [name for name in probes if not isinstance(name, Probe)]
    loaded = config.load(
        {
            "target": target,
            "probes": probes,
            "sink": sink,
            "interval": interval,
            "required": required,
            **settings,
        }
    )
    inheritance = workers.inherited() if _active is None or _active.inherited else None
    if inheritance is None or own_sink is not None or not workers.same_target(inheritance, loaded):
        return start_session(loaded, own_sink, own_probes)
    as_worker = workers.as_worker(inheritance, loaded)
    try:
        return start_session(as_worker, None, own_probes, inheritance.session_id)
    except SinkError as error:  # a pool whose workers end at once would start new ones for ever
        warn(f"this worker is not traced: {error}")
        return start_session(as_worker, CallbackSink(_drop), own_probes, inheritance.session_id)


def _drop(record: Record) -> None:
    pass


def start(target: str | os.PathLike[str] | Sink | None = None, **settings: Unpack[SessionArguments]) -> Session:
    """Switch tracing on until `stop()` or the end of the process. Arguments and errors are those of `session`."""
    return session(target, **settings)


def current_session() -> Session | None:
    """Return the session that is on in this process; None if none is."""
    return _active


def stop() -> None:
    """Stop the session that is on.

    Raises:
        SessionError: if no session is on.
    """
    if _active is None:
        if phases.at_first_use(None):
            return  # the one that the environment asks for has not begun
        raise SessionError("no session is on; call fwmemtrace.start() first")
    _active.stop()


def snapshot(reason: str = "asked for") -> None:
    """Write into the trace where all threads are and what the Python heap consists of. Without a session, do nothing.

    Args:
        reason: why, for the report.
    """
    if _active is not None:
        _active.snapshot(reason)


def _follow_control_file(settings: Settings) -> None:
    """Switch the session of these settings off and on as the file says; once in a process."""
    global _control
    if _control is not None:
        return
    from .control import ControlFile

    def do(word: str) -> None:
        if word == "snapshot":
            snapshot("control file")
        elif word == "off" and _active is not None:
            _active.stop()
        elif word == "on" and _active is None:
            start_session(settings)

    _control = ControlFile(settings.control, do)


def start_session(
    settings: Settings, sink: Sink | None = None, probes: Sequence[Probe] = (), session_id: str | None = None
) -> Session:
    """Start the session of this process.

    Args:
        settings: complete settings.
        sink: the sink; by default the one that the settings name.
        probes: probes to use besides those that the settings name.
        session_id: the id of the session to join as a worker; by default the session is a new one.

    Raises:
        SessionError: if a session is on that was not inherited from the parent process, or in a subinterpreter.
    """
    global _active
    if not interpreters.is_main():
        raise SessionError("sessions do not work in subinterpreters; start one in the main interpreter of the process")
    phases.at_first_use(None)
    if _active is not None and _active.inherited:
        # A worker's session is started unasked: one that the program asks for replaces it.
        unasked = _active.path
        _active.stop()
        if unasked is not None and unasked == os.path.abspath(settings.target or ""):
            os.unlink(unasked)
    if _active is not None:
        raise SessionError(
            f"a session is already on in this process (pid {os.getpid()}); stop it first, or use phase() inside it"
        )
    all_probes = make_probes(settings, probes)
    of_family = family()
    if sink is None:
        sink = make_sink(settings, of_family)
    _active = started = Session(settings, sink, all_probes, session_id, of_family)
    if settings.control:
        _follow_control_file(settings)
    return started


def start_from_environment(*, worker: bool) -> None:
    """Start the session that FWMEMTRACE asks for, or join that of the parent process. Called on import.

    If all that it has to record are phases, it begins with the first one: a program that only reads traces writes none.
    The program has not asked for a session itself, so a failure is a warning and the program runs untraced.

    Args:
        worker: whether this is a worker of multiprocessing.
    """
    with _FailureIsAWarning():
        inheritance = workers.inherited()
        settings = config.load({}) if inheritance is None else inheritance.settings
        if not worker and {*settings.probes, *settings.required} <= {"resident"}:
            phases.at_first_use(_start_unasked)
        else:
            _start_unasked()


def _start_unasked() -> None:
    with _FailureIsAWarning():
        inheritance = workers.inherited()
        if inheritance is None:
            session()
        else:
            settings = workers.as_worker(inheritance, inheritance.settings)
            start_session(settings, session_id=inheritance.session_id).inherited = True


class _FailureIsAWarning:
    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None or is_the_programs(error):
            return False
        warn(f"this process is not traced: {error}")
        return True
