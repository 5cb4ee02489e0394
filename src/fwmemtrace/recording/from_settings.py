"""Makes the probes and the sink that settings name."""

from __future__ import annotations

from collections.abc import Sequence

from .. import plugins
from ..config import Settings
from ..errors import SettingsError, SinkError, warn
from ..probes.base import Probe
from ..sinks.base import Sink


def make_probes(settings: Settings, others: Sequence[Probe] = ()) -> list[Probe]:
    """Return a new probe for each name in the settings and for `resident`, the outermost first.

    Args:
        settings: the session's.
        others: probes to use besides, or instead of those of their names.

    Raises:
        SettingsError: if a name is unknown, or a probe that was named cannot be loaded.
    """
    named = dict.fromkeys(["resident", *settings.probes, *settings.required])
    every_probe = "all" in named
    named.pop("all", None)
    names = dict.fromkeys([*named, *(plugins.names("fwmemtrace.probes") if every_probe else [])])
    for probe in others:
        names.pop(probe.name, None)
    probes = list(others)
    for name in names:
        try:
            probes.append(plugins.load("fwmemtrace.probes", name)())
        except Exception as error:
            if name in named:
                raise
            warn(f"the probe {name!r} is off: it cannot be loaded: {error!r}")
    return sorted(probes, key=lambda probe: probe.rank)


def make_sink(settings: Settings) -> Sink:
    """Return a new sink of the kind in the settings, with the target as its argument.

    Raises:
        SettingsError: if the sink's name is unknown, or the sink cannot be loaded.
        SinkError: if the sink cannot be made.
    """
    factory = plugins.load("fwmemtrace.sinks", settings.sink)
    try:
        sink: Sink = factory(settings.target) if settings.target is not None else factory()
    except (SinkError, SettingsError):
        raise
    except Exception as error:
        raise SinkError(f"the sink {settings.sink!r} cannot be made: {error!r}") from error
    return sink
