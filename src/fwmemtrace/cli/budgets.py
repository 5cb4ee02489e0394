"""The limits of `check`: from the command line, then from [tool.fwmemtrace.budgets] in pyproject.toml."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..analysis.budgets import Budgets, Limit
from ..config import pyproject_table
from ..errors import SettingsError, unknown_name
from ..units import parse_bytes

_TABLE = "[tool.fwmemtrace.budgets]"
_KEYS = ("process", "phases", "growth")


def budgets_of(arguments: argparse.Namespace) -> Budgets:
    """Return all limits. One from the command line replaces the one of pyproject.toml for the same figure.

    Raises:
        SettingsError: if one is no size, has no unit, or has a key that does not exist.
    """
    configured = _configured()
    process = configured.process
    if arguments.budget is not None:
        process = Limit(_size(f"--budget {arguments.budget}", arguments.budget), f"--budget {arguments.budget}")
    return Budgets(
        process=process,
        phases={**configured.phases, **_given("--phase", arguments.phase)},
        growth={**configured.growth, **_given("--growth", arguments.growth)},
    )


def _given(option: str, texts: Sequence[str]) -> dict[str, Limit]:
    limits = {}
    for text in texts:
        path, equals, size = text.rpartition("=")
        source = f"{option} {text}"
        if not equals or not path:
            raise SettingsError(f"{source}: not PATH=SIZE, for example init/load=200MB")
        limits[path] = Limit(_size(source, size), source)
    return limits


def _configured() -> Budgets:
    path, table = pyproject_table(None)
    budgets = table.get("budgets", {})
    place = f"{_TABLE} of {path}"
    if not isinstance(budgets, Mapping):
        raise SettingsError(f"{place} is not a table")
    for key in budgets:
        if key not in _KEYS:
            raise SettingsError(unknown_name("budget", key, _KEYS, place))
    return Budgets(
        process=_limit(path, "process", budgets["process"]) if "process" in budgets else None,
        phases=_table(path, "phases", budgets.get("phases", {})),
        growth=_table(path, "growth", budgets.get("growth", {})),
    )


def _table(path: str, name: str, table: Any) -> dict[str, Limit]:
    if not isinstance(table, Mapping):
        raise SettingsError(f"[tool.fwmemtrace.budgets.{name}] of {path} is not a table of paths and sizes")
    return {key: _limit(path, key, size) for key, size in table.items()}


def _limit(path: str, key: str, size: object) -> Limit:
    if not isinstance(size, str):
        raise SettingsError(f'{_TABLE} of {path}: {key} = {size}: missing unit, for example "300MB"')
    source = f"{Path(path).name}, {key}"
    return Limit(_size(source, size), source, path, _line_of(path, key))


def _size(source: str, text: str) -> int:
    try:
        return parse_bytes(text)
    except SettingsError as error:
        raise SettingsError(f"{source}: {error}") from error


def _line_of(path: str, key: str) -> int:
    """Return the number of the line that sets a budget; 0 if it is written in a way that is not recognised."""
    wanted = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*=""")
    inside = False
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("["):
            inside = line.lstrip().startswith("[tool.fwmemtrace.budgets")
        elif inside and wanted.match(line):
            return number
    return 0
