"""Checks the values of settings, and converts them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import SettingsError, unknown_name
from ..redaction import Redactor
from ..units import parse_bytes, parse_duration

_SMALLEST_TRACE = 1_000_000  # bytes


def checked(name: str, value: Any, place: str) -> Any:
    """Return the value of a setting as `Settings` has it.

    Args:
        name: the setting's.
        value: what was given for it; text from a variable.
        place: where it was given, for the message.

    Raises:
        SettingsError: if there is no such setting, or the value is a bad one.
    """
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


def _trace_size(value: Any) -> int:
    if isinstance(value, (bool, float)) or not isinstance(value, (int, str)):
        raise ValueError(f"{value!r} is not a size, such as 64MB")
    size = 0 if value == "0" else parse_bytes(value)
    if 0 < size < _SMALLEST_TRACE:
        raise ValueError(f"{value!r} is too small; give 1MB at least, or 0 for no limit")
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
        return parse_pairs(value)
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise ValueError(f"{value!r} is not a mapping of text to text, such as 'region=eu,version=1.4'")
    return dict(value)


def parse_pairs(text: str, *, decode: bool = False) -> dict[str, str]:
    """Return the pairs of a text by their keys.

    Args:
        text: `key=value,key=value`.
        decode: whether values are percent-encoded.

    Raises:
        ValueError: if a part is no pair.
    """
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
    "max_trace_size": _trace_size,
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
