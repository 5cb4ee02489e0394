"""Exporters: traces in other tools' formats.

An exporter is a class with a method `export`; see `Exporter`. The built-in ones are loaded when they are used.
"""

from __future__ import annotations

from ..lazy import load_when_used

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Exporter, ProcessLike, TraceLike
    from .collapsed import CollapsedExporter
    from .dot import DotExporter
    from .jsonl import JsonLinesExporter
    from .memray import MemrayExporter
    from .otlp_profiles import OtlpProfilesExporter
    from .perfetto import PerfettoExporter
    from .pprof import PprofExporter
    from .speedscope import SpeedscopeExporter
    from .tables import CsvExporter, ParquetExporter
else:
    __getattr__, __dir__ = load_when_used(
        __name__,
        {
            "base": ("Exporter", "ProcessLike", "TraceLike"),
            "collapsed": ("CollapsedExporter",),
            "dot": ("DotExporter",),
            "jsonl": ("JsonLinesExporter",),
            "memray": ("MemrayExporter",),
            "otlp_profiles": ("OtlpProfilesExporter",),
            "perfetto": ("PerfettoExporter",),
            "pprof": ("PprofExporter",),
            "speedscope": ("SpeedscopeExporter",),
            "tables": ("CsvExporter", "ParquetExporter"),
        },
    )

__all__ = [
    "CollapsedExporter",
    "CsvExporter",
    "DotExporter",
    "Exporter",
    "JsonLinesExporter",
    "MemrayExporter",
    "OtlpProfilesExporter",
    "ParquetExporter",
    "PerfettoExporter",
    "PprofExporter",
    "ProcessLike",
    "SpeedscopeExporter",
    "TraceLike",
]
