"""Finds probes, sinks, reports and exporters by name: the built-in ones, and those of other packages by entry point.

The built-in ones are entry points in pyproject.toml too, and a test keeps that table and `BUILT_IN` the same. They are
listed here because reading entry points imports `importlib.metadata`, which takes more memory than a whole session with
`resident`.
"""

from __future__ import annotations

import sys

from .errors import SettingsError, unknown_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BUILT_IN: dict[str, dict[str, str]] = {
    "fwmemtrace.probes": {
        "resident": "fwmemtrace.probes.resident.probe:ResidentProbe",
        "python_heap": "fwmemtrace.probes.python_heap.probe:PythonHeapProbe",
        "native": "fwmemtrace.probes.native.probe:NativeProbe",
        "objects": "fwmemtrace.probes.objects.probe:ObjectsProbe",
        "tensors": "fwmemtrace.probes.tensors:TensorsProbe",
        "collector": "fwmemtrace.probes.collector:CollectorProbe",
        "imports": "fwmemtrace.probes.imports:ImportsProbe",
        "mappings": "fwmemtrace.probes.mappings.probe:MappingsProbe",
        "heap": "fwmemtrace.probes.heap:HeapProbe",
    },
    "fwmemtrace.sinks": {
        "trace_file": "fwmemtrace.sinks.trace_file:TraceFileSink",
        "memory": "fwmemtrace.sinks.memory:MemorySink",
        "jsonl": "fwmemtrace.sinks.jsonl:JsonLinesSink",
        "callback": "fwmemtrace.sinks.callback:CallbackSink",
        "logging": "fwmemtrace.sinks.logging:LoggingSink",
        "fan_out": "fwmemtrace.sinks.fan_out:FanOutSink",
    },
    "fwmemtrace.reports": {
        "text": "fwmemtrace.reports.terminal:TerminalReport",
        "markdown": "fwmemtrace.reports.markdown:MarkdownReport",
        "html": "fwmemtrace.reports.html:HtmlReport",
        "json": "fwmemtrace.reports.json:JsonReport",
    },
    "fwmemtrace.exporters": {
        "memray": "fwmemtrace.exporters.memray:MemrayExporter",
        "dot": "fwmemtrace.exporters.dot:DotExporter",
        "speedscope": "fwmemtrace.exporters.speedscope:SpeedscopeExporter",
        "pprof": "fwmemtrace.exporters.pprof:PprofExporter",
        "otlp-profiles": "fwmemtrace.exporters.otlp_profiles:OtlpProfilesExporter",
        "perfetto": "fwmemtrace.exporters.perfetto:PerfettoExporter",
        "collapsed": "fwmemtrace.exporters.collapsed:CollapsedExporter",
        "jsonl": "fwmemtrace.exporters.jsonl:JsonLinesExporter",
        "parquet": "fwmemtrace.exporters.tables:ParquetExporter",
        "csv": "fwmemtrace.exporters.tables:CsvExporter",
    },
}


def names(group: str) -> list[str]:
    """Return the names that are registered in a group, built-in ones first."""
    others = [entry.name for entry in _entry_points(group)]
    return list(dict.fromkeys([*BUILT_IN[group], *others]))


def load(group: str, name: str) -> Any:
    """Return the object that is registered under a name. A built-in one wins over another package's.

    Args:
        group: such as "fwmemtrace.probes".
        name: such as "resident".

    Raises:
        SettingsError: if the name is unknown, or what is registered under it cannot be loaded.
    """
    target = BUILT_IN[group].get(name)
    if target is not None:
        module_name, _, attribute = target.partition(":")
        __import__(module_name)
        return getattr(sys.modules[module_name], attribute)
    kind = group.rpartition(".")[2].removesuffix("s")
    for entry in _entry_points(group):
        if entry.name == name:
            try:
                return entry.load()
            except Exception as error:
                raise SettingsError(f"the {kind} {name!r} cannot be loaded from {entry.value!r}: {error!r}") from error
    raise SettingsError(unknown_name(kind, name, names(group)))


def _entry_points(group: str) -> list[Any]:
    from importlib.metadata import entry_points

    return list(entry_points(group=group))
