"""Settings: from arguments, then FWMEMTRACE_* variables, then [tool.fwmemtrace] in pyproject.toml, then defaults.

`service`, `instance` and `labels` may also come from OpenTelemetry's variables, which go before the defaults.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from .errors import SettingsError, unknown_name, warn
from .redaction import Redactor
from .units import parse_bytes, parse_duration

if TYPE_CHECKING:
    from pathlib import Path  # two thirds of a megabyte, for what os.path does as well

__all__ = ["Settings", "load"]

_PREFIX = "FWMEMTRACE_"
_TABLE = "[tool.fwmemtrace]"
# Not settings: `workers` passes the session to child processes in the first, importing fwmemtrace reads the second.
# The third switches the compiled core off.
_OTHER_VARIABLES = {"FWMEMTRACE_PARENT", "FWMEMTRACE_MARKERS", "FWMEMTRACE_CORE"}
_OTHER_TABLES = {"budgets"}  # inside that table; the command `check` reads it


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a session.

    Attributes:
        target: path of the trace file, or the argument of the sink that `sink` names.
        sink: name of the sink, as registered by entry point.
        overwrite: whether an existing trace file is replaced; otherwise the new one gets a number behind its name.
        mode: "production" keeps the tracer below `max_overhead`: of hot phases it counts all calls and measures some.
        max_overhead: the largest share of the time that tracing may take in that mode.
        triggers: when a snapshot is taken by itself: `90%` of the limit in force (that of the control group, or
            RLIMIT_AS), `50MB/s` of growth, `300MB` of RSS, `psi:10%` of the last ten seconds in which a task waited for
            memory; in production mode `90%` if nothing is given.
        snapshot_signal: the name of a signal that takes a snapshot, such as SIGUSR2.
        control: path of a file that switches the session while it runs: its text is `off`, `on` or `snapshot`.
        probes: names of the probes to switch on; `resident` is always on.
        required: names of the probes that must work: if one cannot, the session does not start.
        interval: nanoseconds between two points of the timeline; 0 for no timeline.
        short_calls: whether calls that return before the timeline can see them are charged with the rises of RSS that
            they made. This installs a profile function for 0.5% of the time at most, unless the program has one.
            `fwmemtrace run` sets it, except where FWMEMTRACE_SHORT_CALLS is set.
        exact_peak: whether the peak RSS of each phase is read from the kernel, which needs writes to
            /proc/self/clear_refs.
        top: rows that `python_heap` and `objects` record for each phase.
        frames: frames that tracemalloc records for each allocation.
        include: globs of source files; if there are any, `python_heap` lists only lines of matching files.
        exclude: globs of source files whose lines `python_heap` leaves out, besides those of fwmemtrace itself.
        detail_share: the largest share of the session's time that walks over the whole heap may take (the lines of
            `python_heap`, the censuses of `objects` and `tensors`, the collections of `collector`), not counting the
            first run of each phase; 1 to walk at every run.
        holders: the number of growing types for which `objects` looks for what keeps them alive when the session ends.
        native_traces: whether memray records C and C++ frames too.
        python_allocators: whether memray records every object of Python's own allocator.
        sample_bytes: mean of the bytes allocated between two samples of `heap`, as a number or text such as "64KiB".
        service: name of the service that the process belongs to.
        instance: which instance of the service it is.
        labels: further facts about the process, recorded at the start of the trace.
        redact: regular expressions of what to keep out of command lines, settings, labels and attributes, besides
            values that are named like secrets, credentials in URLs, and well-known tokens. A variable has them
            separated by blanks.
        record_arguments: whether the command line is recorded with the program's arguments.
    """

    target: str | None = None
    sink: str = "trace_file"
    overwrite: bool = False
    mode: str = ""
    max_overhead: float = 0.01
    triggers: tuple[str, ...] = ()
    snapshot_signal: str = ""
    control: str = ""
    probes: tuple[str, ...] = ("resident",)
    required: tuple[str, ...] = ()
    interval: int = 50_000_000
    short_calls: bool = False
    exact_peak: bool = True
    top: int = 20
    frames: int = 1
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    detail_share: float = 0.1
    holders: int = 3
    native_traces: bool = False
    python_allocators: bool = False
    sample_bytes: int = 512 * 1024
    service: str = ""
    instance: str = ""
    labels: dict[str, str] = {}
    redact: tuple[str, ...] = ()
    record_arguments: bool = True


def load(
    arguments: Mapping[str, Any], environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> Settings:
    """Combine the settings from all places. Labels are merged key by key; for others the first place wins.

    Args:
        arguments: those of `session(...)`; None means "not given".
        environ: the environment; `os.environ` by default.
        folder: the folder in which the search for pyproject.toml starts, upwards; by default the current one.

    Raises:
        SettingsError: if a setting is unknown or has a bad value; the message says where it was set.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    places = (
        _from_kubernetes(environ),
        _from_opentelemetry(environ),
        _from_pyproject(folder),
        _from_variables(environ),
        _given(arguments),
    )
    for place in places:
        labels = {**values.get("labels", {}), **place.get("labels", {})}
        values |= place
        if labels:
            values["labels"] = labels
    return Settings(**values)


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _checked(name, value, f"the argument {name}") for name, value in arguments.items() if value is not None
    }


def _from_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if "FWMEMTRACE" in environ:
        values["target"] = environ["FWMEMTRACE"]
    for variable, text in environ.items():
        if variable.startswith(_PREFIX) and variable not in _OTHER_VARIABLES:
            name = variable.removeprefix(_PREFIX).lower()
            values[name] = _checked(name, text, f"the variable {variable}")
    return values


def _from_pyproject(folder: Path | None) -> dict[str, Any]:
    path, table = pyproject_table(folder)
    return {
        name: _checked(name, value, f"{_TABLE} of {path}") for name, value in table.items() if name not in _OTHER_TABLES
    }


def pyproject_table(folder: Path | None) -> tuple[str, dict[str, Any]]:
    """Return the nearest pyproject.toml, "" if there is none, and its table `tool.fwmemtrace`.

    Args:
        folder: where the search starts, upwards; None for the current one.

    Raises:
        SettingsError: if the file is not valid TOML.
    """
    here = os.path.abspath(os.getcwd() if folder is None else folder)
    above = ""
    while here != above:
        path = os.path.join(here, "pyproject.toml")
        here, above = os.path.dirname(here), here
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError):
            continue
        if "tool.fwmemtrace" not in text:  # spares the traced process the TOML parser
            return path, {}
        import tomllib

        try:
            return path, tomllib.loads(text).get("tool", {}).get("fwmemtrace", {})
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{path} is not valid TOML: {error}") from error
    return "", {}


def _from_opentelemetry(environ: Mapping[str, str]) -> dict[str, Any]:
    """Read `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME`, as OpenTelemetry's "Resource SDK" specifies them.

    Attributes are `key=value,key=value` with percent-encoded values, and the name of the service in a variable of its
    own goes before the attribute. A variable that is malformed is ignored as a whole, with a warning.
    """
    values: dict[str, Any] = {}
    text = environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if text.strip():
        try:
            labels = _pairs(text, decode=True)
        except ValueError as error:
            warn(f"OTEL_RESOURCE_ATTRIBUTES is ignored: {error}")
        else:
            values = {"service": labels.pop("service.name", ""), "instance": labels.pop("service.instance.id", "")}
            values["labels"] = labels
    if environ.get("OTEL_SERVICE_NAME"):
        values["service"] = environ["OTEL_SERVICE_NAME"]
    return values


def _from_kubernetes(environ: Mapping[str, str]) -> dict[str, Any]:
    """Read what the downward API passes to a pod, by the names that Kubernetes' documentation uses."""
    if "KUBERNETES_SERVICE_HOST" not in environ:
        return {}
    labels = {}
    for label, variable in (
        ("k8s.pod.name", "POD_NAME"),
        ("k8s.namespace.name", "POD_NAMESPACE"),
        ("k8s.node.name", "NODE_NAME"),
    ):
        value = environ.get(variable) or environ.get(f"MY_{variable}")
        if value:
            labels[label] = value
    instance = labels.get("k8s.pod.name") or environ.get("HOSTNAME", "")
    return {"instance": instance, "labels": labels} if instance else {"labels": labels}


def _checked(name: str, value: Any, place: str) -> Any:
    parse = _PARSERS.get(name)
    if parse is None:
        raise SettingsError(unknown_name("setting", name, list(_PARSERS), place))
    try:
        return parse(value)
    except (SettingsError, ValueError, TypeError) as error:
        raise SettingsError(f"{place}: {error}") from error


def _path(value: Any) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not a path")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not a name")
    return value


def _mode(value: Any) -> str:
    if value not in ("", "production"):
        raise ValueError(f"{value!r} is not a mode; choose 'production', or none")
    return str(value)


def _conditions(value: Any) -> tuple[str, ...]:
    conditions = _names(value)
    for condition in conditions:
        share = condition.removeprefix("psi:")
        if share == condition and not share.endswith("%"):
            parse_bytes(condition.removesuffix("/s"))
        elif not share.endswith("%") or not 0 < float(share[:-1]) <= 100:
            what = "of the limit, such as 90%" if share == condition else "of the time, such as psi:10%"
            raise ValueError(f"{condition!r} is not a share {what}")
    return conditions


def _signal(value: Any) -> str:
    name = _text(value)
    if name:
        import signal  # brings enum, which the traced process does without

        if not isinstance(getattr(signal, name, None), signal.Signals):
            raise ValueError(f"{name!r} is not a signal, such as SIGUSR2")
    return name


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return value


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if not isinstance(value, (list, tuple, set, frozenset)) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"{value!r} is not a list of names, such as 'resident,native'")
    return tuple(value)


def _patterns(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, (list, tuple)) or not all(isinstance(pattern, str) and pattern for pattern in value):
        raise ValueError(f"{value!r} is not a list of regular expressions")
    Redactor(value)
    return tuple(value)


def _switch(value: Any) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError(f"{value!r} is neither true nor false")


def _positive(value: Any) -> int:
    return _whole_number(value, 1)


def _count(value: Any) -> int:
    return _whole_number(value, 0)


def _whole_number(value: Any, least: int) -> int:
    try:
        number = least - 1 if isinstance(value, (bool, float)) else int(value)
    except (ValueError, TypeError):
        number = least - 1
    if number < least:
        raise ValueError(f"{value!r} is not a whole number of at least {least}")
    return number


def _sample_bytes(value: Any) -> int:
    if isinstance(value, (bool, float)) or not isinstance(value, (int, str)):
        raise ValueError(f"{value!r} is not a size, such as 512KiB")
    size = parse_bytes(value)
    if not 256 <= size <= 2**40:
        raise ValueError(f"{value!r} is not a size from 256 B to 1 TiB")
    return size


def _share(value: Any) -> float:
    try:
        share = -1.0 if isinstance(value, bool) else float(value)
    except (ValueError, TypeError):
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"{value!r} is not a number from 0 to 1")
    return share


def _labels(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        return _pairs(value)
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise ValueError(f"{value!r} is not a mapping of text to text, such as 'region=eu,version=1.4'")
    return dict(value)


def _pairs(text: str, *, decode: bool = False) -> dict[str, str]:
    pairs = {}
    for pair in text.split(","):
        key, equals, value = pair.strip().partition("=")
        if not pair.strip():
            continue
        if not equals or not key.strip():
            raise ValueError(f"{pair.strip()!r} is not of the form key=value")
        pairs[key.strip()] = _percent_decoded(value.strip()) if decode else value.strip()
    return pairs


def _percent_decoded(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text, errors="strict")


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "target": _path,
    "sink": _name,
    "overwrite": _switch,
    "mode": _mode,
    "max_overhead": _share,
    "triggers": _conditions,
    "snapshot_signal": _signal,
    "control": _text,
    "probes": _names,
    "required": _names,
    "interval": parse_duration,
    "short_calls": _switch,
    "exact_peak": _switch,
    "top": _positive,
    "frames": _positive,
    "include": _names,
    "exclude": _names,
    "detail_share": _share,
    "holders": _count,
    "native_traces": _switch,
    "python_allocators": _switch,
    "sample_bytes": _sample_bytes,
    "service": _text,
    "instance": _text,
    "labels": _labels,
    "redact": _patterns,
    "record_arguments": _switch,
}
