"""Settings: from arguments, then FWMEMTRACE_* variables, then [tool.fwmemtrace] in pyproject.toml, then defaults."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from .errors import SettingsError
from .units import parse_duration

if TYPE_CHECKING:
    from pathlib import Path  # two thirds of a megabyte, for what os.path does as well

_PREFIX = "FWMEMTRACE_"
_TABLE = "[tool.fwmemtrace]"
# Variables with a meaning of their own: `workers` hands the session to child processes, `phases` reads the other one.
_OTHER_VARIABLES = {"FWMEMTRACE_PARENT", "FWMEMTRACE_MARKERS"}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a session goes by.

    Attributes:
        target: path of the trace file, or what the named sink takes.
        sink: name of the sink, as registered by entry point.
        probes: names of the probes to switch on; `resident` is on in any case.
        required: names of those that must work here: where one cannot, the session does not start.
        interval: nanoseconds between two points of the timeline; 0 for no timeline.
        exact_peak: whether each phase's peak RSS is the kernel's own, for which /proc/self/clear_refs is written.
        top: rows kept per phase by `python_heap` and `objects`.
        frames: frames that tracemalloc keeps per allocation.
        include: globs of source files; if there are any, `python_heap` lists lines of matching files only.
        exclude: globs of source files whose lines `python_heap` leaves out; the tracer's own always are.
        detail_share: the most of the session's time that walks over the whole heap may take (`python_heap`'s lists,
            the censuses of `objects` and `tensors`), the first run of each phase aside; 1 for every run.
        holders: of how many types that grew `objects` looks for what keeps them alive, when the session ends.
        native_traces: whether memray records C and C++ frames too.
        python_allocators: whether memray records each object of Python's own allocator.
    """

    target: str | None = None
    sink: str = "trace_file"
    probes: tuple[str, ...] = ("resident",)
    required: tuple[str, ...] = ()
    interval: int = 50_000_000
    exact_peak: bool = True
    top: int = 20
    frames: int = 1
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    detail_share: float = 0.1
    holders: int = 3
    native_traces: bool = False
    python_allocators: bool = False


def load(
    arguments: Mapping[str, Any], environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> Settings:
    """Put the settings together.

    Args:
        arguments: those of `session(...)`; None stands for "not given".
        environ: the environment, `os.environ` by default.
        folder: where the search for pyproject.toml begins, upwards; the current folder by default.

    Raises:
        SettingsError: if a setting is unknown or its value is of no use, naming the place it came from.
    """
    environ = os.environ if environ is None else environ
    values = _from_pyproject(folder)
    if "FWMEMTRACE" in environ:
        values["target"] = environ["FWMEMTRACE"]
    for variable, text in environ.items():
        if variable.startswith(_PREFIX) and variable not in _OTHER_VARIABLES:
            name = variable.removeprefix(_PREFIX).lower()
            values[name] = _checked(name, text, f"the variable {variable}")
    for name, value in arguments.items():
        if value is not None:
            values[name] = _checked(name, value, f"the argument {name}=")
    return Settings(**values)


def _from_pyproject(folder: Path | None) -> dict[str, Any]:
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
            return {}
        import tomllib

        try:
            table = tomllib.loads(text).get("tool", {}).get("fwmemtrace", {})
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"found that {path} is no TOML ({error}), expected {_TABLE} to be readable") from error
        return {name: _checked(name, value, f"{_TABLE} in {path}") for name, value in table.items()}
    return {}


def _checked(name: str, value: Any, source: str) -> Any:
    parse = _PARSERS.get(name)
    if parse is None:
        expected = ", ".join(_PARSERS)
        raise SettingsError(f"found the unknown setting {name!r} in {source}, expected one of {expected}")
    try:
        return parse(value)
    except (SettingsError, ValueError, TypeError) as error:
        raise SettingsError(f"found a bad value in {source}: {error}") from error


def _text(value: Any) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value:
        raise ValueError(f"found {value!r}, expected text that is not empty")
    return value


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if not isinstance(value, (list, tuple, set, frozenset)) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"found {value!r}, expected names such as 'resident,native' or a list of them")
    return tuple(value)


def _switch(value: Any) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError(f"found {value!r}, expected true or false")


def _positive(value: Any) -> int:
    number = int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else 0
    if number < 1:
        raise ValueError(f"found {value!r}, expected a whole number of at least 1")
    return number


def _count(value: Any) -> int:
    number = int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else -1
    if number < 0:
        raise ValueError(f"found {value!r}, expected a whole number, 0 for none")
    return number


def _share(value: Any) -> float:
    share = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"found {value!r}, expected a number from 0 to 1")
    return share


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "target": _text,
    "sink": _text,
    "probes": _names,
    "required": _names,
    "interval": parse_duration,
    "exact_peak": _switch,
    "top": _positive,
    "frames": _positive,
    "include": _names,
    "exclude": _names,
    "detail_share": _share,
    "holders": _count,
    "native_traces": _switch,
    "python_allocators": _switch,
}
