"""`session`, `start`, `stop`, `snapshot`: switch the session of this process on and off.

Signal handlers may call these at any moment, and threads at once. So this module is loaded with the package, knows what
is being started before anything else is imported, and imports the rest, in `starting`, in its functions.
"""

from __future__ import annotations

import os
from _thread import get_ident

from ..errors import SessionError, SinkError, warn
from ..foreign_errors import is_the_programs
from ..tracing import active
from .first_use import FirstUse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Unpack

    from ..config import Settings
    from ..probes.base import Probe
    from ..sinks.base import Sink
    from .arguments import SessionArguments, SettingsArguments
    from .control import ControlFile
    from .session import Session

_on: Session | None = None
_starter = 0  # the thread that is starting a session, 0 for none
_stop_asked = False  # since it began to
_control: ControlFile | None = None
_first_use: FirstUse | None = None


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

    def begin() -> Session:
        from . import starting, workers

        loaded, own_sink, own_probes = starting.asked_for(target, probes, sink, interval, required, settings)
        inheritance = workers.inherited() if _on is None or _on.inherited else None
        if inheritance is None or own_sink is not None or not workers.same_target(inheritance, loaded):
            return _begin(loaded, own_sink, own_probes)
        as_worker = workers.as_worker(inheritance, loaded)
        try:
            return _begin(as_worker, None, own_probes, inheritance.session_id)
        except SinkError as error:  # a pool whose workers end at once would start new ones for ever
            warn(f"this worker is not traced: {error}")
            return _begin(as_worker, starting.no_sink(), own_probes, inheritance.session_id)

    return _alone(begin)


def start(target: str | os.PathLike[str] | Sink | None = None, **settings: Unpack[SessionArguments]) -> Session:
    """Switch tracing on until `stop()` or the end of the process. Arguments and errors are those of `session`."""
    return session(target, **settings)


def current_session() -> Session | None:
    """Return the session that is on in this process; None if none is."""
    return _on


def stop() -> None:
    """Stop the session that is on.

    In a signal handler or a thread that interrupts `start`, the session ends as soon as it has begun.

    Raises:
        SessionError: if no session is on.
    """
    global _stop_asked
    if _starter:
        _stop_asked = True
    elif _on is not None:
        _on.stop()
    elif not active.at_first_use(None):  # else the one that the environment asks for has not begun
        raise SessionError("no session is on; call fwmemtrace.start() first")


def snapshot(reason: str = "asked for") -> None:
    """Write into the trace where all threads are and what the Python heap consists of. Without a session, do nothing.

    Args:
        reason: why, for the report.
    """
    on = _on
    if on is not None:
        on.snapshot(reason)


def start_session(settings: Settings, session_id: str | None = None) -> Session:
    """Start the session of this process.

    Args:
        settings: complete settings.
        session_id: the id of the session to join as a worker; by default the session is a new one.

    Raises:
        SessionError: if a session is on that was not inherited from the parent process, or in a subinterpreter.
    """
    return _alone(lambda: _begin(settings, session_id=session_id))


def _alone(begin: Callable[[], Session]) -> Session:
    """Start a session, and no other one meanwhile: what interrupts this, or runs beside it, may ask to stop it."""
    global _starter, _stop_asked
    own = get_ident()
    if _starter:
        raise SessionError("a session is just being started in this process; start one at a time")
    try:
        _starter = own
        _stop_asked = False
        started = begin()
    finally:
        _starter = 0
    if _stop_asked:
        started.stop()
    return started


def _begin(
    settings: Settings, sink: Sink | None = None, probes: Sequence[Probe] = (), session_id: str | None = None
) -> Session:
    """Start the session with the arguments of `starting.make_session`."""
    global _on
    from . import starting

    starting.refuse_subinterpreters()
    if _first_use is None or not _first_use.is_starting:
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
    made = starting.make_session(settings, sink, probes, session_id, _forget)
    try:
        made.begin()
        if settings.control:
            _follow_control_file(settings)
        _on = made
    except BaseException:
        made.stop()
        raise
    return made


def _forget(ended: Session) -> None:
    global _on
    if _on is ended:
        _on = None


def _follow_control_file(settings: Settings) -> None:
    """Switch the session of these settings off and on as the file says; once in a process."""
    global _control
    if _control is not None:
        return
    from .control import ControlFile

    def do(word: str) -> None:
        if word == "snapshot":
            snapshot("control file")
        elif word == "off" and (_on is not None or _starter):
            stop()
        elif word == "on" and _on is None:
            start_session(settings)

    _control = ControlFile(settings.control, do)


def start_from_environment(*, worker: bool) -> None:
    """Start the session that FWMEMTRACE asks for, or join that of the parent process. Called on import.

    If all that it has to record are phases, it begins with the first one: a program that only reads traces writes none.
    The program has not asked for a session itself, so a failure is a warning and the program runs untraced.

    Args:
        worker: whether this is a worker of multiprocessing.
    """
    global _first_use
    with _FailureIsAWarning():
        from .. import config
        from . import workers

        inheritance = workers.inherited()
        settings = config.load({}) if inheritance is None else inheritance.settings
        if not worker and {*settings.probes, *settings.required} <= {"resident"}:
            _first_use = FirstUse(_start_at_first_use)
            active.at_first_use(_first_use)
        else:
            _start_unasked()


def _start_at_first_use() -> None:
    if _on is None:
        _start_unasked()


def join_parent() -> None:
    """This is a worker of multiprocessing, which knows its parent's session now: join that one if it is another."""
    with _FailureIsAWarning():
        from . import workers

        inheritance, known = workers.inherited(), _on
        if inheritance is None or (known is not None and (not known.inherited or known.id == inheritance.session_id)):
            return
        if known is not None:  # an earlier session's: the server that has forked this process was started in it
            known.stop()
            if known.path is not None:
                os.unlink(known.path)
        _start_unasked()


def _start_unasked() -> None:
    with _FailureIsAWarning():
        from . import workers

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


def _forget_other_threads() -> None:
    """This is a forked child: what another thread of the parent was starting will never be on here."""
    global _starter
    if _starter != get_ident():
        _starter = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)
