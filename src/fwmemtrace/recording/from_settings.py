"""Makes the probes and the sink that settings name."""

from __future__ import annotations

from collections.abc import Sequence, Set

from .. import plugins
from ..config import Settings
from ..errors import SettingsError, SinkError, warn
from ..foreign_errors import is_the_programs
from ..probes.base import Probe
from ..sinks.base import Sink

_IN_PRODUCTION = 64_000_000  # bytes of a trace


def make_probes(settings: Settings, others: Sequence[Probe] = ()) -> list[Probe]:
    """Return a new probe for each name in the settings and for `resident`, the outermost first.

    "all" leaves out probes that cannot run together with one that was named, or with another of them.

    Args:
        settings: the session's.
        others: probes to use besides, or instead of those of their names.

    Raises:
        SettingsError: if a name is unknown, a probe that was named cannot be loaded, or two that were named cannot run
            together.
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
            if name in named or is_the_programs(error):
                raise
            warn(f"the probe {name!r} is off: it cannot be loaded: {error!r}")
    wanted = {*named, *(probe.name for probe in others)}
    return sorted(_without_conflicts(probes, wanted), key=lambda probe: probe.rank)


def _without_conflicts(probes: Sequence[Probe], wanted: Set[str]) -> list[Probe]:
    """Return the probes that can run together; those in `wanted` must all be among them."""
    left_out: set[str] = set()
    for probe in probes:
        for other, reason in probe.conflicts.items():
            if probe.name in wanted and other in wanted:
                raise SettingsError(
                    f"the probes {probe.name!r} and {other!r} cannot run together: {reason}; "
                    "run the program once with each"
                )
        left_out.update(probe.conflicts if wanted.isdisjoint(probe.conflicts) else [probe.name])
    return [probe for probe in probes if probe.name not in left_out]


def _max_size(settings: Settings) -> int:
    if settings.max_trace_size is not None:
        return settings.max_trace_size
    return _IN_PRODUCTION if settings.mode == "production" else 0


def make_sink(settings: Settings, family: str = "") -> Sink:
    """Return a new sink of the kind in the settings, with the target as its argument.

    Args:
        settings: the session's.
        family: which processes belong together; see `system.family`.

    Raises:
        SettingsError: if the sink's name is unknown, or the sink cannot be loaded.
        SinkError: if the sink cannot be made.
    """
    factory = plugins.load("fwmemtrace.sinks", settings.sink)
    try:
        known = {"overwrite": settings.overwrite, "family": family, "max_size": _max_size(settings)}
        options = {name: known[name] for name in getattr(factory, "options", ())}
        sink: Sink = factory(*([] if settings.target is None else [settings.target]), **options)
    except (SinkError, SettingsError):
        raise
    except Exception as error:
        if is_the_programs(error):
            raise
        raise SinkError(f"the sink {settings.sink!r} cannot be made: {error!r}") from error
    return sink
