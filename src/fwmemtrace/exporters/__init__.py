"""Exporters: traces in other tools' formats.

An exporter is a class with a method `export`; see `Exporter`. The built-in ones are loaded when they are used.
"""

from __future__ import annotations

from ..lazy import load_when_used

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Exporter, ProcessLike, TraceLike
    from .dot import DotExporter
    from .memray import MemrayExporter
else:
    __getattr__, __dir__ = load_when_used(
        __name__,
        {
            "base": ("Exporter", "ProcessLike", "TraceLike"),
            "dot": ("DotExporter",),
            "memray": ("MemrayExporter",),
        },
    )

__all__ = ["DotExporter", "Exporter", "MemrayExporter", "ProcessLike", "TraceLike"]
