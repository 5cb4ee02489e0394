"""`export`: converts a trace to another tool's format."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path

from .. import plugins
from ..errors import FwmemtraceError, SettingsError
from ..exporters.base import Exporter
from ..trace import read
from ..values import visible

_EXPORTERS = "fwmemtrace.exporters"
_SUFFIXES = {
    "speedscope": ".speedscope.json",
    "pprof": ".pb.gz",
    "otlp-profiles": ".otlp.pb",
    "perfetto": ".perfetto.json",
    "collapsed": ".collapsed",
}
_FOLDERS = ("parquet", "csv")

_EXAMPLES = """examples:
  fwmemtrace export --to speedscope
  fwmemtrace export --to pprof && go tool pprof -http=: trace.pb.gz
  fwmemtrace export --to csv --table phases -o phases.csv"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "export",
        help="convert a trace to another tool's format",
        description="Convert a trace to another tool's format. Parquet and CSV are folders with a file for each table.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("trace", metavar="trace.bin", nargs="?", default="trace.bin", help="the trace to convert")
    parser.add_argument(
        "--to", required=True, metavar="FORMAT", help=f"one of {', '.join(plugins.BUILT_IN[_EXPORTERS])}, or a plugin"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="the file or folder to write (default: named after the trace)"
    )
    parser.add_argument(
        "--metric", metavar="NAME", help="for collapsed: the figure to write, such as alloc_space or rss_rises"
    )
    parser.add_argument("--table", metavar="NAME", help="for parquet and csv: write only this table, to a file")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the file, and print its name where it was not given."""
    exporter = _exporter(arguments)
    output = Path(arguments.output) if arguments.output else _default_output(arguments)
    try:
        exporter.export(read(arguments.trace), output)
    except OSError as error:
        if isinstance(error, FwmemtraceError):
            raise
        raise FwmemtraceError(f"{output} cannot be written ({error.strerror}); give another path with -o") from error
    if not arguments.output:
        print(visible(str(output)))
    return 0


def _exporter(arguments: argparse.Namespace) -> Exporter:
    make = plugins.load(_EXPORTERS, arguments.to)
    options = {name: value for name in ("metric", "table") if (value := getattr(arguments, name)) is not None}
    for name in options:
        if name not in inspect.signature(make).parameters:
            raise SettingsError(f"--{name} is not an option of the format {arguments.to}")
    exporter: Exporter = make(**options)
    return exporter


def _default_output(arguments: argparse.Namespace) -> Path:
    trace, kind = Path(arguments.trace), arguments.to
    if kind in _FOLDERS:
        if arguments.table is not None:
            return trace.with_name(f"{trace.stem}-{arguments.table}.{kind}")
        return trace.with_name(f"{trace.stem}-{kind}")
    return trace.with_suffix(_SUFFIXES.get(kind, f".{kind}"))
