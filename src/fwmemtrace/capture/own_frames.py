"""Which frames of a stack are the tracer's own."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from ..packages import package_of

_PACKAGE = Path(__file__).parents[1]
# Where version 0.1 kept what could be in a stack: its captures stay readable.
_STANDARD = re.compile(r".*/lib(?:64)?/python3\.\d+/|<frozen |<string>|<__array_function__|<fwmemtrace>")
_EARLIER = re.compile(r"(phases|edges|session|spans|context|program|(probes|sinks|tracefile|cli)/\w+)\.py")


def is_ours(file: str) -> bool:
    """Whether a source file is one of fwmemtrace's, wherever the traced process had it installed."""
    _, found, inside = file.rpartition(f"/{_PACKAGE.name}/")
    return bool(found) and (inside in _own_files() or _EARLIER.fullmatch(inside) is not None)


def is_program_code(file: str) -> bool:
    """Whether a source file is the traced program's own: neither installed, nor of the standard library, nor ours."""
    return not (package_of(file) or _STANDARD.match(file) or is_ours(file))


@cache
def _own_files() -> frozenset[str]:
    """The source files of this package, as paths inside it: read from its folder, so that a move cannot break it."""
    return frozenset(path.relative_to(_PACKAGE).as_posix() for path in _PACKAGE.rglob("*.py"))
