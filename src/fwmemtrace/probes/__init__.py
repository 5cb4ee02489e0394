"""Probes: each measures one thing at the edges of phases or all along, and emits records.

To write one, derive from `Probe`. The built-in probes are loaded by name, as `session(probes=["native"])` does.
"""

from __future__ import annotations

import sys as _sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..tracing.span import Span
    from .base import Probe, ProbeContext
    from .governor import Governor, TimeBudget

__all__ = ["Governor", "Probe", "ProbeContext", "Span", "TimeBudget"]

_MODULES = {
    "TimeBudget": "probes.governor",
    "Governor": "probes.governor",
    "Probe": "probes.base",
    "ProbeContext": "probes.base",
    "Span": "tracing.span",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = f"{__name__.partition('.')[0]}.{_MODULES[name]}"
    __import__(module)
    return getattr(_sys.modules[module], name)


def __dir__() -> list[str]:
    return sorted(__all__)
