"""`Settings`, and the places where they come from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import SettingsError
from .checks import checked
from .deployment import from_kubernetes, from_opentelemetry

if TYPE_CHECKING:
    from pathlib import Path  # two thirds of a megabyte, for what os.path does as well

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
        max_trace_size: the largest size of a process's trace, such as `64MB`; 0 for no limit. Its middle is left out as
            far as needed, which reports say. By default 64 MB in production mode, and no limit otherwise.
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
            first run of each phase, as long as these take half of the time at most; 1 to walk at every run.
        holders: the number of growing types for which `objects` looks for what keeps them alive when the session ends.
        native_traces: whether `native` and `heap` record C and C++ frames too.
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
    max_trace_size: int | None = None
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
        from_kubernetes(environ),
        from_opentelemetry(environ),
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
        name: checked(name, value, f"the argument {name}") for name, value in arguments.items() if value is not None
    }


def _from_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if "FWMEMTRACE" in environ:
        values["target"] = environ["FWMEMTRACE"]
    for variable, text in environ.items():
        if variable.startswith(_PREFIX) and variable not in _OTHER_VARIABLES:
            name = variable.removeprefix(_PREFIX).lower()
            values[name] = checked(name, text, f"the variable {variable}")
    return values


def _from_pyproject(folder: Path | None) -> dict[str, Any]:
    path, table = pyproject_table(folder)
    return {
        name: checked(name, value, f"{_TABLE} of {path}") for name, value in table.items() if name not in _OTHER_TABLES
    }


def pyproject_table(folder: Path | None) -> tuple[str, dict[str, Any]]:
    """Return the nearest pyproject.toml, "" if there is none, and its table `tool.fwmemtrace`.

    Args:
        folder: where the search starts, upwards; None for the current one.

    Raises:
        SettingsError: if the file is not valid TOML.
    """
    try:
        here = os.path.abspath(os.getcwd() if folder is None else folder)
    except FileNotFoundError:  # somebody has removed the current folder
        return "", {}
    above = ""
    while here != above:
        path = os.path.join(here, "pyproject.toml")
        here, above = os.path.dirname(here), here
        if not os.path.isfile(path):  # a FIFO would block
            continue
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
