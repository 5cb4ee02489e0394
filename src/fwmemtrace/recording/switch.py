"""`session`, `start`, `stop`: switch the session of this process on and off, from the program or the environment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from .. import config
from ..config import Settings
from ..errors import SessionError, SinkError, warn
from ..foreign_errors import is_the_programs
from ..probes.base import Probe
from ..records import Record
from ..sinks.base import Sink
from ..sinks.callback import CallbackSink
from ..system import interpreters
from ..system.family import family
from ..tracing import active
from . import workers
from .from_settings import make_probes, make_sink
from .session import Session

if TYPE_CHECKING:
    from typing import Unpack

    from .arguments import SessionArguments, SettingsArguments
    from .control import ControlFile

_on: Session | None = None
_control: ControlFile | None = None


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
    inheritance = workers.inherited() if _on is None or _on.inherited else None
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


def _forget(ended: Session) -> None:
    global _on
    if _on is ended:
        _on = None


def current_session() -> Session | None:
    """Return the session that is on in this process; None if none is."""
    return _on


def stop() -> None:
    """Stop the session that is on.

    Raises:
        SessionError: if no session is on.
    """
    if _on is None:
        if active.at_first_use(None):
            return  # the one that the environment asks for has not begun
        raise SessionError("no session is on; call fwmemtrace.start() first")
    _on.stop()


def snapshot(reason: str = "asked for") -> None:
    """Write into the trace where all threads are and what the Python heap consists of. Without a session, do nothing.

    Args:
        reason: why, for the report.
    """
    if _on is not None:
        _on.snapshot(reason)


def _follow_control_file(settings: Settings) -> None:
    """Switch the session of these settings off and on as the file says; once in a process."""
    global _control
    if _control is not None:
        return
    from .control import ControlFile

    def do(word: str) -> None:
        if word == "snapshot":
            snapshot("control file")
        elif word == "off" and _on is not None:
            _on.stop()
        elif word == "on" and _on is None:
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
    global _on
    if not interpreters.is_main():
        raise SessionError("sessions do not work in subinterpreters; start one in the main interpreter of the process")
    active.at_first_use(None)
    if _on is not None and _on.inherited:
        # A worker's session is started unasked: one that the program asks for replaces it.
        unasked = _on.path
        _on.stop()
        if unasked is not None and unasked == os.path.abspath(settings.target or ""):
            os.unlink(unasked)
    if _on is not None:
        raise SessionError(
            f"a session is already on in this process (pid {os.getpid()}); stop it first, or use phase() inside it"
        )
    all_probes = make_probes(settings, probes)
    of_family = family()
    if sink is None:
        sink = make_sink(settings, of_family)
    _on = started = Session(settings, sink, all_probes, _forget, session_id, of_family)
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
            active.at_first_use(_start_unasked)
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
