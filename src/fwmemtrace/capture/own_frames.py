"""Identifies the frames of a stack that belong to fwmemtrace itself."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path

from ..packages import package_of
from .markers import FILE as MARKER_FILE

_PACKAGE = Path(__file__).parents[1]
_STANDARD = re.compile(r".*/lib(?:64)?/python3\.\d+/|<frozen |<string>|<__array_function__")
# The files of version 0.1 that could be in a stack: its captures are still read.
_EARLIER = re.compile(
    r"(phases|edges|session|spans|context|program|marks|elf|cgroup|referents|local_variables|"
    r"(probes|sinks|tracefile|cli|suite)/\w+)\.py"
)


@lru_cache(4096)  # files: the same ones are in most stacks
def is_ours(file: str) -> bool:
    """Return whether a source file is one of fwmemtrace's, wherever the traced process had it installed."""
    _, found, inside = file.rpartition(f"/{_PACKAGE.name}/")
    if not found:
        return file == MARKER_FILE
    return inside in _own_files() or _EARLIER.fullmatch(inside) is not None


@lru_cache(4096)
def is_program_code(file: str) -> bool:
    """Return whether a file is the program's own code: not installed, not of the standard library, not ours."""
    return not (package_of(file) or _STANDARD.match(file) or is_ours(file))


@cache
def _own_files() -> frozenset[str]:
    """Return the paths of the package's files inside it. A list written down here would miss files that are moved."""
    return frozenset(path.relative_to(_PACKAGE).as_posix() for path in _PACKAGE.rglob("*.py"))
