"""What starting a session takes: its settings, its sink, its probes. `switch` loads it with the first session."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .. import config
from ..config import Settings
from ..errors import SessionError
from ..probes.base import Probe
from ..records import Record
from ..sinks.base import Sink, close
from ..sinks.callback import CallbackSink
from ..system import interpreters
from ..system.family import family
from .from_settings import make_probes, make_sink
from .session import Session

if TYPE_CHECKING:
    from .arguments import SettingsArguments


def asked_for(
    target: str | os.PathLike[str] | Sink | None,
    probes: str | Sequence[str | Probe] | None,
    sink: str | Sink | None,
    interval: str | float | None,
    required: str | Sequence[str] | None,
    settings: SettingsArguments,
) -> tuple[Settings, Sink | None, list[Probe]]:
    """Return the complete settings for arguments of `switch.session`, and the caller's own sink and probes.

    Raises:
        SettingsError: if a setting is unknown or has a bad value; the message says where it was set.
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
    return loaded, own_sink, own_probes


def refuse_subinterpreters() -> None:
    """Raise an error in a subinterpreter.

    Raises:
        SessionError: there.
    """
    if not interpreters.is_main():
        raise SessionError("sessions do not work in subinterpreters; start one in the main interpreter of the process")


def make_session(
    settings: Settings,
    sink: Sink | None,
    probes: Sequence[Probe],
    session_id: str | None,
    ended: Callable[[Session], None],
) -> Session:
    """Return a new session, which is to begin.

    Args:
        settings: complete settings.
        sink: the sink; by default the one that the settings name.
        probes: probes to use besides those that the settings name.
        session_id: the id of the session to join as a worker; by default the session is a new one.
        ended: called with the session as soon as it is over.
    """
    all_probes = make_probes(settings, probes)
    of_family = family()
    if sink is None:
        sink = make_sink(settings, of_family)
    try:
        return Session(settings, sink, all_probes, ended, session_id, of_family)
    except BaseException:
        close(sink)
        raise


def no_sink() -> Sink:
    """Return a sink that drops what it is given."""
    return CallbackSink(_drop)


def _drop(record: Record) -> None:
    pass
