"""Probes: each measures one thing at the edges of phases or all along, and emits records.

To write one, derive from `Probe`. The built-in probes are loaded by name, as `session(probes=["native"])` does.
"""

from __future__ import annotations

from ..lazy import load_when_used
from ..tracing.span import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Probe, ProbeContext
    from .governor import Governor, TimeBudget
else:
    __getattr__, __dir__ = load_when_used(
        __name__,
        {
            "base": ("Probe", "ProbeContext"),
            "governor": ("Governor", "TimeBudget"),
        },
    )

__all__ = ["Governor", "Probe", "ProbeContext", "Span", "TimeBudget"]
