"""Exporters: traces in other tools' formats.

An exporter is a class with a method `export`; see `Exporter`. The built-in ones are loaded when they are used.
"""

from __future__ import annotations

import sys as _sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .base import Exporter, ProcessLike, TraceLike
    from .collapsed import CollapsedExporter
    from .dot import DotExporter
    from .jsonl import JsonLinesExporter
    from .memray import MemrayExporter
    from .perfetto import PerfettoExporter
    from .pprof import PprofExporter
    from .speedscope import SpeedscopeExporter
    from .tables import CsvExporter, ParquetExporter

__all__ = [
    "CollapsedExporter",
    "CsvExporter",
    "DotExporter",
    "Exporter",
    "JsonLinesExporter",
    "MemrayExporter",
    "ParquetExporter",
    "PerfettoExporter",
    "PprofExporter",
    "ProcessLike",
    "SpeedscopeExporter",
    "TraceLike",
]

_MODULES = {
    "CollapsedExporter": "collapsed",
    "CsvExporter": "tables",
    "DotExporter": "dot",
    "Exporter": "base",
    "JsonLinesExporter": "jsonl",
    "MemrayExporter": "memray",
    "ParquetExporter": "tables",
    "PerfettoExporter": "perfetto",
    "PprofExporter": "pprof",
    "ProcessLike": "base",
    "SpeedscopeExporter": "speedscope",
    "TraceLike": "base",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = f"{__name__}.{_MODULES[name]}"
    __import__(module)
    return getattr(_sys.modules[module], name)


def __dir__() -> list[str]:
    return sorted(__all__)
